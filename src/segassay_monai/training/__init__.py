"""Training: one member from its cases to its checkpoint, written whole or not at all, resumed after an interruption."""

from segassay_monai.former import names_of

__getattr__ = names_of("training")  # a module had this name
