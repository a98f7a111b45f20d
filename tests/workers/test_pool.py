"""Tasks shared by processes: in order, and only where that pays."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from deadly import seldom_seeks, squared
from segassay.workers import pool
from segassay.workers.order import each_in_order, in_order
from segassay.workers.tasks import LostError


@pytest.mark.parametrize(("n_jobs", "start_seconds", "expected"), [(2, 1e9, 0), (2, 0, 2), (8, 0, 3), (1, 0, 0)])
def test_processes_start_only_where_they_pay(monkeypatch, n_jobs, start_seconds, expected):
    """Five jobs, of which the first two are done here; a process of its own has to be worth its start."""
    started = [0]

    class Pool(ThreadPoolExecutor):
        def __init__(self, n, mp_context, initializer):
            started.append(n)
            super().__init__(n)

    monkeypatch.setattr(pool, "START_SECONDS", start_seconds)
    monkeypatch.setattr(pool, "ProcessPoolExecutor", Pool)
    assert list(in_order(abs, [-5, -4, 3, -2, 1], n_jobs=n_jobs)) == [5, 4, 3, 2, 1]
    assert started[-1] == expected


@pytest.mark.parametrize(("long_job", "expected"), [(60, 5), (0, 1)])
def test_long_jobs_are_handed_over_alone(monkeypatch, long_job, expected):
    chunks = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, n, mp_context, initializer):
            super().__init__(n)

        def map(self, *jobs, chunksize):
            chunks.append(chunksize)
            return super().map(*jobs)

    monkeypatch.setattr(pool, "START_SECONDS", 0)
    monkeypatch.setattr(pool, "_LONG_TASK", long_job)
    monkeypatch.setattr(pool, "ProcessPoolExecutor", Pool)
    assert list(in_order(abs, list(range(-82, 0)), n_jobs=2)) == list(range(82, 0, -1))
    assert chunks == [expected]


def test_real_processes_keep_the_order_and_spend_memory(monkeypatch):
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    numbers, seldom = zip(*in_order(seldom_seeks, list(range(30)), n_jobs=2), strict=True)
    assert numbers == tuple(range(30))
    assert all(seldom[2:])  # the first two are done in this process


def test_without_jobs_there_is_nothing():
    assert list(in_order(abs, [], n_jobs=4)) == []


def test_what_a_killed_process_has_not_finished_is_done_again(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    jobs = [(number, str(tmp_path / "killed")) for number in range(8)]
    assert list(in_order(squared, jobs, n_jobs=2)) == [number**2 for number in range(8)]
    assert "is done again, now 1 at a time" in caplog.text


def test_a_task_that_kills_its_process_whenever_it_is_done_is_named_and_the_others_are_done(monkeypatch):
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    jobs = [(number, "") for number in range(8)]
    found = list(each_in_order(squared, jobs, n_jobs=2))
    assert [isinstance(one, LostError) for one in found] == [number == 5 for number in range(8)]
    assert [one for one in found if not isinstance(one, LostError)] == [n**2 for n in range(8) if n != 5]
    with pytest.raises(LostError, match=r"case 5: its process was killed, also when it ran alone"):
        list(in_order(squared, jobs[3:], n_jobs=4))
