"""Networks with preprocessing and named layers: one file a source, and what wraps them."""
