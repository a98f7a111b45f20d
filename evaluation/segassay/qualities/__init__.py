"""Qualities: measures of objectivity, reliability and validity, as scores with intervals."""

from segassay.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
