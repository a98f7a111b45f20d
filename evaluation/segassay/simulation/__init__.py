"""Simulation: images, raters and whole studies with known truth."""
