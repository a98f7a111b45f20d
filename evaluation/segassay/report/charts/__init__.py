"""Charts: a table in, a figure out."""
