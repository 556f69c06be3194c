"""Saliency methods: one registered function a file, and no import of another method or metric."""
