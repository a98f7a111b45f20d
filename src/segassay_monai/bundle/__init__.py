"""The bundle: the location of its configurations, the checks of settings, and the workflow."""

from segassay_monai.former import names_of

__getattr__ = names_of("bundle")  # a module had this name
