"""The version of the rules: which lines and conditions the three verdicts follow."""

RULES_VERSION = 5
"""Raise it by one with every change that can give another verdict for the same scores: of a line, a condition, or what
is missing. Certificates name it. `tests/judgement/test_version.py` fails if a line or the text of a rule changes and
this number does not; a changed condition alone is for you to notice."""
