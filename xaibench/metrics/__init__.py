"""Metrics of maps: one file a metric or a set that shares forwards; no import of another."""
