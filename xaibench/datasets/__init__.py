"""Photographs with their classes: one file a layout, and what reads, selects and decodes them."""
