"""Training: one member from its cases to its checkpoint, whole or not at all, resumed after a break."""

from segassay_monai.former import names_of

__getattr__ = names_of("training")  # a module had this name
