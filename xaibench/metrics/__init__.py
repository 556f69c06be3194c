"""Metrics of saliency maps, one file per metric or per set that shares its forwards."""
