"""Statistics: estimators, tests and intervals as pure functions of arrays, each with its published source."""

from segassay.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
