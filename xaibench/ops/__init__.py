"""Pure functions of tensors: no network, no file, no randomness of their own."""
