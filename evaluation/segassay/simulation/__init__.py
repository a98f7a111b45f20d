"""Simulation: images, raters and whole studies whose truth is known."""
