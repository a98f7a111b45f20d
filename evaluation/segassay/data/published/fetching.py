"""Fetch the files of published labs and check their SHA-256; each lab is moved into place once it is complete."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from segassay.data.published.lab_folder import LabJob, differences_of, holds
from segassay.data.published.mirrors import Failure, Source
from segassay.data.published.segebarth2020 import COMMIT, DOI, REPOSITORY, lab_notes
from segassay.errors import DataError, UsageError, number_of
from segassay.io.images import write_bytes
from segassay.io.outputs import publish_output
from segassay.io.progress import show_progress

HELP = (
    "Fetched files are kept: run the same command again to resume, or leave labs out with labs (--labs). A "
    "browser gets the "
    f"files from {REPOSITORY}/tree/{COMMIT}/train_data or https://doi.org/{DOI} (train_data.zip): give the folder, the "
    ".zip or another URL as mirror (--mirror)."
)


_N_THREADS = 8


_N_ATTEMPTS = 3


_RETRY_WITHIN_S = 15.0  # a server that times out is not asked again


_PAUSE_S = 0.5


_N_SHOWN = 5
_MANY = 20  # after so many failures the server is not asked for the other files


def fetch_labs(jobs: list[LabJob], source: Source, *, progress: bool = False) -> None:
    """Fetch missing files, lab by lab; each lab is moved into place once it is complete."""
    missing = {}
    for job in jobs:
        with _writing(job.final):
            _clear_strangers(job)
        missing[job.lab.name] = [name for name, digest in job.hashes.items() if not holds(job.partial / name, digest)]
    stop = threading.Event()
    problems, complete = [], []
    n_missing = sum(map(len, missing.values()))
    with show_progress(n_missing, doing="fetching files", done="fetched", what="files", shown=progress) as advance:
        for job in jobs:
            failures = _fetch_lab(job, missing[job.lab.name], source, advance, stop)
            problems += _tell(job, failures, source)
            if not failures and not stop.is_set():
                with _writing(job.final):
                    _publish(job)
                complete.append(job.lab.name)
    if problems:
        text = "\n".join([*_shorten(problems, source), _kept(complete) + HELP])
        raise DataError(text, source.name, f"gave {number_of(len(problems), 'problem')}", HELP)


@contextmanager
def _writing(final: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another out (--out)") from error


def _clear_strangers(job: LabJob) -> None:
    """Remove partial files of a killed run and files that are not part of the lab; the folder may be missing."""
    for path in sorted(job.partial.rglob("*"), reverse=True):
        if path.is_symlink() or path.is_file():
            if path.is_symlink() or path.relative_to(job.partial).as_posix() not in job.hashes:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _fetch_lab(
    job: LabJob, names: list[str], source: Source, advance: Callable[[str], None], stop: threading.Event
) -> dict[str, Failure]:
    failures: dict[str, Failure] = {}

    def fetch(name: str) -> bool:
        """Fetch and write one file; False if it failed, or if the source is not asked any more."""
        if stop.is_set():
            return False
        try:
            content = _verified(job, name, source, stop)
        except Failure as failure:
            failures[name] = failure
            if failure.kind == "unreachable" or (source.place is None and len(failures) >= _MANY):
                stop.set()
            return False
        with _writing(job.final):
            (job.partial / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(job.partial / name, content)
        return True

    with ThreadPoolExecutor(_N_THREADS) as pool:
        try:
            for name, written in zip(names, pool.map(fetch, names), strict=True):
                if written:
                    advance(name)
        except BaseException:
            stop.set()  # otherwise the pool would fetch the other files before it ends
            raise
    return failures


def _verified(job: LabJob, name: str, source: Source, stop: threading.Event) -> bytes:
    """Content of a published file: from the folder to be replaced if unchanged there, else from the source."""
    expected = job.hashes[name]
    if holds(job.final / name, expected):
        return (job.final / name).read_bytes()
    started, n_attempts = time.monotonic(), 0
    while True:
        try:
            content = source.read(f"{job.lab.name}/{name}")
            found = hashlib.sha256(content).hexdigest()
            if found == expected:
                return content
            what = f"SHA-256 is {found}, expected {expected}: damaged, or another version"
            raise Failure("damaged", what, again=source.place is None)
        except Failure as failure:
            n_attempts += 1
            late = n_attempts == _N_ATTEMPTS or time.monotonic() - started > _RETRY_WITHIN_S
            if late or not failure.again or stop.wait(_PAUSE_S * n_attempts):
                raise


def _publish(job: LabJob) -> None:
    for name, text in lab_notes(job.lab, job.partial).items():
        write_bytes(job.partial / name, text)
    if differences := differences_of(job.partial, job):
        what = f"was changed while it was written: {differences[0]}"
        raise DataError.of(job.partial, what, "run the same command again")
    publish_output(job.partial)


def _tell(job: LabJob, failures: Mapping[str, Failure], source: Source) -> list[str]:
    """One line per file; a single line if the whole lab or source is missing."""
    if len(failures) == len(job.hashes) and all(failure.kind == "missing" for failure in failures.values()):
        return [f"{job.lab.name}: none of its {number_of(len(failures), 'file')} is in {source.name}"]
    unreachable = [name for name in sorted(failures) if failures[name].kind == "unreachable"]
    shown = [name for name in sorted(failures) if name not in unreachable[1:]]
    return [f"{source.address(f'{job.lab.name}/{name}')}: {failures[name]}" for name in shown]


def _shorten(problems: list[str], source: Source) -> list[str]:
    if len(problems) == 1:
        return problems
    more = [f"… and {len(problems) - _N_SHOWN} more"] if len(problems) > _N_SHOWN else []
    return [f"{source.name} has {number_of(len(problems), 'problem')}:", *problems[:_N_SHOWN], *more]


def _kept(complete: list[str]) -> str:
    return f"Complete: {', '.join(complete)}. " if complete else ""
