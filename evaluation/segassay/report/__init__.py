"""Report: an evaluation becomes figures and one self-contained page."""
