"""Evaluation of segmentations by several annotators: is a result objective, reliable and valid?"""

from importlib.metadata import version

__version__ = version("segassay")
