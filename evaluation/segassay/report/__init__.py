"""Report: figures of an evaluation and one self-contained page."""
