"""Export for the MONAI Model Zoo: a bundle that runs without this package."""
