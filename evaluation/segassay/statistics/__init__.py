"""Statistics: estimators, tests and intervals as pure functions of arrays, each with its published source."""
