"""Published labs as dataset folders: fetched, compared with their SHA-256, and written whole or not at all.

    repository | --mirror folder, .zip or URL -> OUT/<lab>.partial, file by file -> all as published? -> OUT/<lab>

Only files that the manifest names are ever asked for, and nothing else is unpacked from an archive. What was fetched
stays in `OUT/<lab>.partial` until the lab is complete, so that the next call fetches only what is missing.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segassay.data.published.mirrors import Failure, Source, open_source
from segassay.data.published.segebarth2020 import COMMIT, DOI, REPOSITORY, Lab, find_labs, lab_notes, read_manifest
from segassay.errors import DataError, UsageError
from segassay.io.images import sha256, write_bytes
from segassay.io.outputs import check_output, publish_output
from segassay.io.progress import show_progress

__all__ = ["Downloaded", "download"]

BASE_URL = f"{REPOSITORY.replace('github.com', 'raw.githubusercontent.com')}/{COMMIT}/train_data"
HELP = (
    "What was fetched is kept: run the same command again to go on, or leave labs out with --labs. A browser gets the "
    f"files from {REPOSITORY}/tree/{COMMIT}/train_data or https://doi.org/{DOI} (train_data.zip): give the folder, the "
    ".zip or another URL with --mirror."
)

_OPTIONS = ("--out", "--overwrite")
_N_THREADS = 8
_N_ATTEMPTS = 3
_RETRY_WITHIN_S = 15.0  # a server that lets one wait is not asked again
_PAUSE_S = 0.5
_MANY = 20  # failures after which a server is not asked for the other files
_N_SHOWN = 5


@dataclass(frozen=True)
class Downloaded:
    """One lab as it lies on disk now.

    Attributes:
        folder: The dataset folder.
        n_files: Published files in it, all compared with their SHA-256.
        is_new: Whether this call wrote it; a folder that was complete before is left alone.
    """

    folder: Path
    n_files: int
    is_new: bool


@dataclass(frozen=True)
class _Job:
    """One lab to be fetched; `hashes` are those of its files, by their path in the lab's folder."""

    lab: Lab
    final: Path
    hashes: Mapping[str, str]

    @property
    def partial(self) -> Path:
        return self.final.with_name(f"{self.final.name}.partial")


def download(
    out: Path,
    *,
    labs: Iterable[str] | None = None,
    mirror: str | Path | None = None,
    overwrite: bool = False,
    manifest: Mapping[str, str] | None = None,
) -> list[Downloaded]:
    """Fetch labs of Segebarth et al. 2020 into `out/<lab>`, each with `dataset.yaml` and, where published, its groups.

    A lab that is there already is compared and left alone; one that was begun is continued.

    Args:
        out: Folder of the labs' folders; made if missing.
        labs: Long or short names, all five by default.
        mirror: Folder, .zip archive or URL (http, https, file) that holds `lab-wue1/…`, instead of the repository. A
            folder may also hold them in `segebarth2020/` or `train_data/`, an archive at any depth.
        overwrite: Replace the folder of a lab that differs from what is published.
        manifest: SHA-256 of every file, `lab-wue1/images/0001.png` and so on; by default of the publication.

    Returns:
        One entry per lab, in the order of the publication.

    Raises:
        UsageError: If a lab is unknown, the mirror is none, or a folder in `out` differs from what is published.
        DataError: If files are missing or damaged or cannot be reached; labs that are complete are in `out`
            nevertheless.

    References:
        Segebarth et al. (2020), eLife 9:e59780, doi:10.7554/eLife.59780; data doi:10.5061/dryad.4b8gtht9d.
    """
    manifest = read_manifest() if manifest is None else manifest
    jobs = [_Job(lab, (Path(out) / lab.name).resolve(), _hashes(lab, manifest)) for lab in find_labs(labs)]
    open_jobs = [job for job in jobs if not _is_complete(job, overwrite)]
    if open_jobs:
        with open_source(BASE_URL if mirror is None else str(mirror)) as source:
            _check_source_stays(source, open_jobs)
            _fetch(open_jobs, source)
    return [Downloaded(job.final, len(job.hashes), job in open_jobs) for job in jobs]


def _hashes(lab: Lab, manifest: Mapping[str, str]) -> dict[str, str]:
    prefix = f"{lab.name}/"
    return {name.removeprefix(prefix): digest for name, digest in sorted(manifest.items()) if name.startswith(prefix)}


def _is_complete(job: _Job, overwrite: bool) -> bool:
    """Whether the lab is there as published; a folder that differs is refused unless it may be replaced."""
    differences = _differences(job.final, job) if job.final.is_dir() else []
    if job.final.is_dir() and not differences:
        return True
    if differences and not overwrite:
        more = f" and {len(differences) - _N_SHOWN} more" if len(differences) > _N_SHOWN else ""
        raise UsageError(
            f"{job.final} exists and is not as published: {', '.join(differences[:_N_SHOWN])}{more}; "
            "give another --out, or --overwrite to replace it with all that is in it"
        )
    check_output(job.final, overwrite=True, options=_OPTIONS)
    return False


def _differences(folder: Path, job: _Job) -> list[str]:
    """What is missing, changed, or not of the lab; hidden files are left alone."""
    found = [name for name, digest in job.hashes.items() if not _holds(folder / name, digest)]
    notes = {} if found else lab_notes(job.lab, folder)
    found += [name for name, text in notes.items() if not _holds(folder / name, hashlib.sha256(text).hexdigest())]
    known = {*job.hashes, "dataset.yaml", "experiment.csv", "SOURCE.txt"}
    paths = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    strange = [
        path.as_posix()
        for path in sorted(paths)
        if path.as_posix() not in known and not any(part.startswith(".") for part in path.parts)
    ]
    what = {name: "changed" if (folder / name).exists() else "missing" for name in found}
    return [f"{name} ({what[name]})" for name in sorted(found)] + [f"{name} (not part of it)" for name in strange]


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _check_source_stays(source: Source, jobs: list[_Job]) -> None:
    """Overwriting must never remove what is copied."""
    for job in jobs:
        place = source.place
        if place is not None and ((place / job.lab.name).resolve() == job.final or place.is_relative_to(job.final)):
            raise UsageError(f"--mirror {source.name} lies in {job.final}, which would be replaced; give another --out")


# ------------------------------------------------------------------------------------------------------------- fetching


def _fetch(jobs: list[_Job], source: Source) -> None:
    """Fetch what is missing, lab by lab; each lab is published as soon as it is complete."""
    missing = {}
    for job in jobs:
        with _writing(job.final):
            _clear_strangers(job)
        missing[job.lab.name] = [name for name, digest in job.hashes.items() if not _holds(job.partial / name, digest)]
    stop = threading.Event()
    problems, complete = [], []
    n_missing = sum(map(len, missing.values()))
    with show_progress(n_missing, doing="fetching files", done="fetched", what="files") as advance:
        for job in jobs:
            failures = _fetch_lab(job, missing[job.lab.name], source, advance, stop)
            problems += _tell(job, failures, source)
            if not failures and not stop.is_set():
                with _writing(job.final):
                    _publish(job)
                complete.append(job.lab.name)
    if problems:
        raise DataError("\n".join([*_shorten(problems, source), _kept(complete) + HELP]))


@contextmanager
def _writing(final: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another --out") from error


def _clear_strangers(job: _Job) -> None:
    """Remove what a killed run left half-written, and what is not of the lab; the folder need not be there."""
    for path in sorted(job.partial.rglob("*"), reverse=True):
        if path.is_symlink() or path.is_file():
            if path.is_symlink() or path.relative_to(job.partial).as_posix() not in job.hashes:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _fetch_lab(
    job: _Job, names: list[str], source: Source, advance: Callable[[str], None], stop: threading.Event
) -> dict[str, Failure]:
    failures: dict[str, Failure] = {}

    def fetch(name: str) -> bool:
        """Whether the file was written; it may not be had, or there is no use in trying."""
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
            stop.set()  # or the pool would go on with the other files before it ends
            raise
    return failures


def _verified(job: _Job, name: str, source: Source, stop: threading.Event) -> bytes:
    """Content of a file as published: from the folder that is to be replaced, else from the source."""
    expected = job.hashes[name]
    if _holds(job.final / name, expected):
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


def _publish(job: _Job) -> None:
    for name, text in lab_notes(job.lab, job.partial).items():
        write_bytes(job.partial / name, text)
    if differences := _differences(job.partial, job):
        raise DataError(f"{job.partial} was changed while it was written: {differences[0]}; run the same command again")
    publish_output(job.partial)


def _tell(job: _Job, failures: Mapping[str, Failure], source: Source) -> list[str]:
    """One line per file; one for all where the lab or the whole source is not there."""
    if len(failures) == len(job.hashes) and all(failure.kind == "missing" for failure in failures.values()):
        return [f"{job.lab.name}: none of its {len(failures)} files is in {source.name}"]
    unreachable = [name for name in sorted(failures) if failures[name].kind == "unreachable"]
    shown = [name for name in sorted(failures) if name not in unreachable[1:]]
    return [f"{source.address(f'{job.lab.name}/{name}')}: {failures[name]}" for name in shown]


def _shorten(problems: list[str], source: Source) -> list[str]:
    if len(problems) == 1:
        return problems
    more = [f"… and {len(problems) - _N_SHOWN} more"] if len(problems) > _N_SHOWN else []
    return [f"{source.name} has {len(problems)} problems:", *problems[:_N_SHOWN], *more]


def _kept(complete: list[str]) -> str:
    return f"Complete: {', '.join(complete)}. " if complete else ""
