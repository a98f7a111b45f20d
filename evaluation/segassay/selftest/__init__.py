"""Self-test: compare every estimator with its published value."""
