"""Checks: every problem of a dataset at once, and a summary of what it holds."""
