"""All that a run directory holds, and its paths: writes, reads, lists. Knows no method by name."""
