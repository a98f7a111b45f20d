"""Prediction: from a model and new images to masks, objects, counts per subject, and a review queue."""
