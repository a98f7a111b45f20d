"""Error of prediction, for exported bundles, which have only a part of the package."""


class PredictionError(ValueError):
    """A model does not fit an image or a network; the message is for the user."""
