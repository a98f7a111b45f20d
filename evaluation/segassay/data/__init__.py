"""Data: a dataset folder becomes cases, raters and an experiment; every mask becomes a row of one table."""
