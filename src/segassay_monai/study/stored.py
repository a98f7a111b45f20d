"""A study at an address: made in a folder of this machine, sent task by task, resumed on any machine.

    s3://bucket/study  ->  fetch: what is whole there  ->  OUT/members/, OUT/predictions/, OUT/state.json
    task done  ->  its files, then checksums/<folder>.json  ->  the same address
    all done   ->  send_rest: evaluation, certificate, and uploaded.json

A task is whole there if its list of checksums is there, which is sent last. What is not as the list says is made again
by `study.whole`, as in a folder. The machine that was started last has the address; another one that still works
notices that before it sends, and ends.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from segassay.io.images import sha256
from segassay.io.outputs import STUDY_FOLDERS
from segassay.io.progress import show_progress
from segassay.io.sending import (
    UPLOADED,
    UPLOADING,
    TakenOverError,
    begin_parts,
    note_sent,
    send_last_part,
    send_part,
)
from segassay.io.stores import Store, TransferError, copy_files
from segassay.io.transfers import STUDY
from segassay_monai.study.judge import ANNOTATIONS
from segassay_monai.study.plan import COPY, EVALUATION, PlannedMember, Study, Task
from segassay_monai.study.store import claim, log_file
from segassay_monai.study.there import is_stored, list_name, store_of, whole_in

__all__ = ["fetch", "fetch_member", "send_member", "send_rest", "sender"]

logger = logging.getLogger("segassay")

_Files = dict[str, tuple[int, str]]
_FETCHED = ".fetched"  # a folder is copied there, and takes its place when it is whole
_STATE = "state.json"
_OWN_FILES = (COPY, _STATE, *ANNOTATIONS.values(), "certificate.json", "methods.md")
_REPLACED = tuple(f"{name}/" for name in (*EVALUATION.values(), "failed"))
_REST = 600.0  # seconds without another attempt after the store did not answer


def fetch(study: Study, *, progress: bool) -> None:
    """Take the address of a study for this machine, and copy what is whole there and missing here.

    Args:
        study: The study; nothing is done for one in a folder.
        progress: Whether to show how many tasks are copied.

    Raises:
        TransferError: If the store does not answer, or refuses: nothing was trained yet.
        DataError: If the disk has too little room.
    """
    if not is_stored(study):
        return
    store = store_of(study)
    before = store.files()
    if other := begin_parts(store, study.out, STUDY):
        logger.warning(
            f"{store.address}: {other} began to send this study there, and has not finished. This machine resumes "
            "with what is complete there. If the other one still works, it stops with a message when it sends its next "
            "task"
        )
    with claim(study, "fetch", timeout=-1):
        _fetch(study, store, is_whole=UPLOADED in before and UPLOADING not in before, progress=progress)


def _fetch(study: Study, store: Store, *, is_whole: bool, progress: bool) -> None:
    there = store.files()
    missing = [task for task in whole_in(study, there) if not study.place(task).exists()]
    with show_progress(
        len(missing) or 1, doing="copying", done="copied", what="tasks", shown=progress and bool(missing)
    ) as tell:
        for task in missing:
            with claim(study, task.folder) as is_free:
                if is_free and not study.place(task).exists():
                    _fetch_task(study, task, store, there)
            tell(task.id)
    names = {_STATE, *(ANNOTATIONS.values() if is_whole else ())} & there.keys()
    _copy(study, store, there, {name: study.out / name for name in names if not (study.out / name).exists()})
    for folder in EVALUATION.values() if is_whole else ():
        if not (study.out / folder).exists():
            _fetch_folder(study, folder, store, there)


def fetch_member(study: Study, member: PlannedMember) -> None:
    """Copy one member, if it is whole at the address of a study and missing here; another machine keeps the address.

    Args:
        study: The study; nothing is done for one in a folder.
        member: The member.

    Raises:
        TransferError: If the store does not answer, or refuses.
    """
    if not is_stored(study):
        return
    store = store_of(study)
    there = store.files()
    if list_name(member) not in there:  # of a study that is whole, nothing changes otherwise
        begin_parts(store, study.out, STUDY, takes_over=False)
    with claim(study, "fetch", timeout=-1):
        if list_name(member) in there and not study.place(member).exists():
            _fetch_task(study, member, store, there)
        if _STATE in there and not (study.out / _STATE).exists():
            _copy(study, store, there, {_STATE: study.out / _STATE})


def send_member(study: Study, member: PlannedMember) -> None:
    """Send one member that is done, beside what other machines send.

    Args:
        study: The study; nothing is done for one in a folder.
        member: The member.

    Raises:
        TransferError: If the store does not answer, or refuses; the member is whole on this machine.
    """
    if not is_stored(study):
        return
    try:
        _send_tasks(study, [member], store_of(study), beside=True)
    except TransferError as error:
        what = f"{error.what}; the member is complete in {study.place(member)}"
        raise TransferError.of(error.file, what, "repeat the command: it sends what is missing there") from error


def sender(study: Study, report: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Send each task when it is done; what cannot be sent is sent later.

    Args:
        study: The study; of one in a folder, nothing is sent.
        report: Takes each event and the id of its task first.

    Returns:
        The function that takes the events. It raises `TakenOverError` if another machine has the address.
    """
    if not is_stored(study):
        return report
    store, sent, not_before = store_of(study), set[str](), 0.0

    def send() -> None:
        nonlocal not_before
        if time.monotonic() < not_before:
            return
        done = [task for task in study.tasks.values() if task.id not in sent and study.is_done(task)]
        try:
            _send_tasks(study, [task for task in done if _list_of(study, task).is_file()], store)
        except TakenOverError:
            raise
        except TransferError as error:
            logger.warning(f"{error}. The study continues, and sends later what is missing there")
            not_before = time.monotonic() + _REST
        else:
            sent.update(task.id for task in done)

    def report_and_send(word: str, name: str) -> None:
        report(word, name)
        if word == "done":
            send()

    return report_and_send


def send_rest(study: Study, *, progress: bool) -> None:
    """Send all that is not there yet, and say that the study is whole there.

    Args:
        study: The study; nothing is done for one in a folder.
        progress: Whether to show how many files are sent.

    Raises:
        TakenOverError: If another machine has the address.
        TransferError: If the store does not answer, or refuses; the study is whole on this machine.
    """
    if not is_stored(study):
        return
    try:
        send_last_part(store_of(study), study.out, STUDY, _own(study), replaced=_REPLACED, progress=progress)
    except TakenOverError:
        raise
    except TransferError as error:
        what = f"{error.what}; the study is complete in {study.out}"
        raise TransferError.of(error.file, what, "repeat the command: it sends what is missing there") from error


def _list_of(study: Study, task: Task) -> Path:
    return study.out / list_name(task)


def _place(study: Study, path: Path) -> str:
    return path.relative_to(study.out).as_posix()


def _fetch_task(study: Study, task: Task, store: Store, there: _Files) -> None:
    """Copy a task; its folder appears last, as that means that it is done."""
    path = _list_of(study, task)
    _copy(study, store, there, {_place(study, path): path})
    _fetch_folder(study, _place(study, study.place(task)), store, there)


def _fetch_folder(study: Study, folder: str, store: Store, there: _Files) -> None:
    names = [name for name in there if name.startswith(f"{folder}/")]
    if not names:
        return
    work = study.out / _FETCHED
    shutil.rmtree(work, ignore_errors=True)
    _copy(study, store, there, {name: work / name for name in names})
    (study.out / folder).parent.mkdir(parents=True, exist_ok=True)
    os.replace(work / folder, study.out / folder)
    shutil.rmtree(work)


def _copy(study: Study, store: Store, there: _Files, places: dict[str, Path]) -> None:
    hashes: dict[str, str] = {}

    def note(name: str) -> None:
        hashes[name] = sha256(places[name])

    sized = {name: (path, there[name][0]) for name, path in places.items()}
    copy_files(store, sized, study.out.parent, note, progress=False)
    note_sent(study.out, hashes)


def _send_tasks(study: Study, tasks: Sequence[Task], store: Store, *, beside: bool = False) -> None:
    """Send tasks that are done, their lists last."""
    files = [path for task in tasks for path in study.place(task).rglob("*")] + [
        log_file(study, task) for task in tasks
    ]
    files += () if beside else [study.out / name for name in (COPY, _STATE)]
    send_part(store, study.out, [_place(study, path) for path in files if path.is_file()], beside=beside)
    send_part(store, study.out, [_place(study, _list_of(study, task)) for task in tasks], beside=beside)


def _own(study: Study) -> Iterator[str]:
    """Paths of all files of a study that others need: no locks, no unfinished trainings, nothing damaged."""
    for name in STUDY_FOLDERS:
        for path in sorted((study.out / name).rglob("*")):
            inside = path.relative_to(study.out)
            if path.is_file() and not any(part.startswith(".") or part.endswith(".partial") for part in inside.parts):
                yield inside.as_posix()
    yield from (name for name in _OWN_FILES if (study.out / name).is_file())
