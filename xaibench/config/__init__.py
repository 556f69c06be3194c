"""What was asked for: options, protocols, specs and what they resolve to. No tensors."""
