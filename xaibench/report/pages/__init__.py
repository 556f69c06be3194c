"""The pages of the report: each file turns what the analysis found into a `Document`."""
