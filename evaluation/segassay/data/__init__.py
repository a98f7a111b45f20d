"""Data: read a dataset folder as cases, raters and an experiment, and list every mask in one table."""
