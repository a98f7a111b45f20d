"""Scores: one number with its interval for each measure and target; groups and pairs of annotators."""
