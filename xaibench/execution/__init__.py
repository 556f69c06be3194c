"""Who calls the stages: one process or many. Computes nothing itself."""
