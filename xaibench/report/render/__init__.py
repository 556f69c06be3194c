"""The report in its formats: one file a format; computes no number."""
