"""Qualities: what the tables say about objectivity, reliability and validity, as scores with intervals."""
