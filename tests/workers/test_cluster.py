"""Tasks shared by the workers of a cluster, which are lost, killed by a task, of another version, or not there."""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deadly import squared
from machines import Machines
from segassay.errors import DataError, UsageError
from segassay.workers import cluster
from segassay.workers.cluster import Cluster, connected, workers_for
from segassay.workers.order import each_in_order, in_order
from segassay.workers.pool import Pool
from segassay.workers.tasks import LostError


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines."""
    found = Machines(tmp_path_factory.mktemp("machines"))
    yield found.start(2)
    found.stop()


@pytest.fixture
def two(machines: Machines) -> Iterator[Cluster]:
    """Their workers."""
    with connected(machines.address) as workers:
        yield workers


def process_of(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return number, os.getpid()


def test_the_machines_share_the_tasks_and_the_order_stays(two):
    found = list(in_order(process_of, range(12), two))
    assert [number for number, _ in found] == list(range(12))
    assert len({process for _, process in found} - {os.getpid()}) == 2


def test_what_a_lost_worker_has_not_finished_is_done_again(two, tmp_path):
    tasks = [(number, str(tmp_path / "killed")) for number in range(8)]
    assert list(in_order(squared, tasks, two)) == [number**2 for number in range(8)]
    assert (tmp_path / "killed").exists()


def test_a_task_that_kills_every_worker_is_named_and_the_others_are_done(two):
    found = list(each_in_order(squared, [(number, "") for number in range(8)], two))
    assert [isinstance(one, LostError) for one in found] == [number == 5 for number in range(8)]
    assert [one for one in found if not isinstance(one, LostError)] == [n**2 for n in range(8) if n != 5]
    assert "case 5: its process was killed, also when it ran alone" in str(found[5])


def failing(number: int) -> int:
    """The third fails at once, the second takes longer where others work beside it."""
    if number == 2:
        raise DataError.of("b.png", "is broken")
    if number == 1 and multiprocessing.parent_process() is not None:
        time.sleep(0.5)
    return number


def test_an_error_is_raised_after_the_results_before_it_as_in_a_pool(two):
    for workers in (two, Pool(1)):
        found = []
        with pytest.raises(DataError, match=r"b\.png is broken"):
            found.extend(in_order(failing, range(9), workers))
        assert found == [0, 1]
    assert list(in_order(failing, [], two)) == []


def begun(task: tuple[int, str]) -> int:
    """Remember that it was begun; the first takes long."""
    number, folder = task
    Path(folder, str(number)).touch()
    if number == 0:
        time.sleep(0.5)
    return number


def test_not_too_many_tasks_are_begun_ahead_of_the_first(two, tmp_path):
    results = two.results(begun, [(number, str(tmp_path)) for number in range(40)], ahead=5)
    assert next(results)[0] != 0, "they come as they are done"
    rest = list(results)
    assert 0 in [place for place, _ in rest[:6]]
    assert len(rest) == 39


def test_a_worker_of_another_version_is_refused(two, monkeypatch):
    monkeypatch.setattr(cluster, "version", lambda package: "9.9")
    with pytest.raises(UsageError, match=r"a worker has SegAssay .*, this process 9\.9"):
        list(in_order(abs, [1], two))


def test_without_workers_it_waits_for_the_first_and_gives_up_when_all_are_gone(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.3)
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 0.1)
    machines = Machines(tmp_path).start(1, locked_out=True)
    warn = cluster.logger.warning
    monkeypatch.setattr(cluster.logger, "warning", lambda text: (warn(text), machines.let_in()))
    try:
        with connected(machines.address) as workers:
            results = in_order(process_of, range(50), workers)
            assert next(results)[0] == 0
            assert "waiting for a worker of the cluster" in caplog.text
            machines.stop(scheduler=False)
            with pytest.raises(DataError, match="no worker of the cluster is left"):
                list(results)
    finally:
        machines.stop()


def test_a_cluster_of_processes_here_starts_and_ends(capsys):
    pytest.importorskip("distributed")
    with workers_for(1, "local:1") as workers:
        assert list(in_order(abs, [-1, 2, -3], workers)) == [1, 2, 3]
        with workers_for(1, workers) as same:
            assert same is workers
    assert "dashboard: http://127.0.0.1:" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["nowhere", "local", "local:0", "local:two", "slurm:", "local:-1", ""])
def test_what_is_no_cluster_is_refused(address):
    with pytest.raises(UsageError, match=r"--cluster .*expected"), connected(address):
        pass


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.2)
    for address in ("tcp://127.0.0.1:9", "udp://127.0.0.1:9"):
        with pytest.raises(UsageError, match=f"{address}: no scheduler answers there"), connected(address):
            pass


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r'pip install "segassay\[cluster\]"'), connected("local:2"):
        pass
