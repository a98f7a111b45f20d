"""Former module that registered models of an earlier version import; new code imports from `segassay_monai`."""

from segassay_monai.former import names_of

__getattr__ = names_of("inference")
