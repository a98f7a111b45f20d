"""The version of the rules: which lines and conditions the three verdicts follow."""

RULES_VERSION = 7
"""Raise it by one with every change that can give another verdict for the same scores: of a line, a condition, or what
is missing. Certificates name it. `tests/judgement/test_version.py` fails if a line or the text of a rule changes and
this number does not; a changed condition alone is for you to notice."""

RULE_OF_CLASSES = "1"
"""Version of the rule by which the verdicts of several classes become one (`worst_class`).

Verdicts on masks of one class do not know it, so it is no part of `RULES_VERSION`; raise it with every change that can
give another joint verdict.
"""
