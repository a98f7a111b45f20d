"""The bundle: where its configurations lie, what the settings of a run may be, and the workflow."""

from segassay_monai.former import names_of

__getattr__ = names_of("bundle")  # a module had this name
