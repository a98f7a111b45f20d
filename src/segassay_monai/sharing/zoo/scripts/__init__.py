"""Code that the configurations of this bundle name; it needs torch, monai, numpy and readers of image files."""
