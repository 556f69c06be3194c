"""What was asked for: configurations, protocols, specs and what they resolve to; no tensors."""
