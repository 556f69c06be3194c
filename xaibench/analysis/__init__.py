"""Numbers -> numbers: statistics and verdicts over frames; never torch, never a directory."""
