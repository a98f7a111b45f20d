"""Where registered models of an earlier version find what they import; all else imports from `segassay_monai`."""

from segassay_monai.former import names_of

__getattr__ = names_of("inference")
