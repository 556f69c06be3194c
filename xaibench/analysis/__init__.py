"""Numbers -> numbers: statistics and verdicts over frames. No torch, no file, no directory."""
