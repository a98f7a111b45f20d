"""Export for bioimage.io: a model package that other programs run without this package."""
