"""Pure tensor maths: no model loading, no input or output."""
