"""What a run keeps: maps, scores, provenance. Knows no method by name."""
