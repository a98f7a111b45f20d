"""What goes wrong in prediction, for those who have only the exported part of the package."""


class PredictionError(ValueError):
    """A model and an image or network do not fit; the message is meant for the user."""
