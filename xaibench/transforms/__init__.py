"""Transforms of the network's input (Table 4): one registered function a file, and its options."""
