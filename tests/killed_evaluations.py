"""Evaluations that are killed while they compare the cases of a dataset."""

import pytest

from segassay.tables import kept
from segassay.tables.case import CaseRows
from segassay.tables.jobs import Job


class Killed(BaseException):
    """As the signal of a system that ends the process."""


def kill_at(monkeypatch: pytest.MonkeyPatch, n: int | None) -> list[str]:
    """Kill the evaluation when it begins with case n; the cases that are compared are added to the list."""
    compared: list[str] = []
    score = kept.score_case

    def counted(job: Job) -> CaseRows:
        if len(compared) == n:
            raise Killed
        compared.append(job.case)
        return score(job)

    monkeypatch.setattr(kept, "score_case", counted)
    return compared
