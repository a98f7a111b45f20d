"""The study: strategies, folds and seeds, planned, trained side by side, and judged."""
