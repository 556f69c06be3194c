"""Who calls the stages; nothing else differs."""
