"""Figures as PNG and SVG: one file a figure, drawn from arrays and frames alone."""
