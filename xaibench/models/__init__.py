"""Networks with their preprocessing and named layers; one file per source of networks."""
