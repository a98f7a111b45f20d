"""Figures: how all pictures look, and outlines of annotators over an image."""
