"""Checks: report all problems of a dataset at once, and summarise its content."""
