"""Where models that version 0.1 registered find what they import; everything else imports from `segassay_monai`."""

from segassay_monai.former import names_of

__getattr__ = names_of("inference")
