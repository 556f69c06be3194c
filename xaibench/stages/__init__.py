"""Predict, explain, normalize, score: one file a stage, which computes and stores its units."""
