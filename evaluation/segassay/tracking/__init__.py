"""Log to MLflow: one store, one run per task; NaN and infinite values are counted, not logged."""

from segassay import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
