"""Figures: the common style, and outlines of annotators over an image."""
