"""Transforms of the network's input (Table 4); one file each, named like its function."""
