"""Photographs with their classes; one file per way in which people have them."""
