"""Masks: objects of one mask, overlaps and distances between two of one image. Arrays in, numbers out."""
