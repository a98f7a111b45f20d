"""Self-test: every estimator beside its published value."""
