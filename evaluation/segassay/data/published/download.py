"""Download published labs as dataset folders: compared with their SHA-256, and written completely or not at all.

    repository | --mirror folder, .zip or URL -> OUT/<lab>.partial, file by file -> all as published? -> OUT/<lab>

Only files in the manifest are requested, and nothing else is unpacked from an archive. Fetched files stay in
`OUT/<lab>.partial` until the lab is complete, so that the next call fetches only missing files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segassay.data.published.fetching import fetch_labs
from segassay.data.published.lab_folder import LabJob, differences_of
from segassay.data.published.mirrors import Source, open_source
from segassay.data.published.segebarth2020 import COMMIT, REPOSITORY, Lab, find_labs, read_manifest
from segassay.errors import UsageError, shortlist
from segassay.io.outputs import ARGUMENTS, check_output

__all__ = ["Downloaded", "download"]

BASE_URL = f"{REPOSITORY.replace('github.com', 'raw.githubusercontent.com')}/{COMMIT}/train_data"


@dataclass(frozen=True)
class Downloaded:
    """One downloaded lab.

    Attributes:
        folder: The dataset folder.
        n_files: Published files in it, all compared with their SHA-256.
        is_new: Whether this call wrote it; a complete folder is not touched.
    """

    folder: Path
    n_files: int
    is_new: bool


def download(
    out: Path,
    *,
    labs: Iterable[str] | None = None,
    mirror: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
    manifest: Mapping[str, str] | None = None,
) -> list[Downloaded]:
    """Fetch labs of Segebarth et al. 2020 into `out/<lab>`, each with `dataset.yaml` and, where published, its groups.

    A complete lab is checked and not touched; an incomplete one is resumed.

    Args:
        out: Folder of the labs' folders; created if missing.
        labs: Long or short names, all five by default.
        mirror: Folder, .zip archive or URL (http, https, file) that holds `lab-wue1/…`, instead of the repository. A
            folder may also hold them in `segebarth2020/` or `train_data/`, an archive at any depth.
        overwrite: Replace the folder of a lab that differs from what is published.
        progress: Show on standard error how many files are fetched.
        manifest: SHA-256 of every file, `lab-wue1/images/0001.png` and so on; by default of the publication.

    Returns:
        One entry per lab, in the order of the publication.

    Raises:
        UsageError: If a lab or the mirror is unknown, or a folder in `out` differs from the published files.
        DataError: If files are missing or damaged or cannot be reached; complete labs are in `out` even then.

    References:
        Segebarth et al. (2020), eLife 9:e59780, doi:10.7554/eLife.59780; data doi:10.5061/dryad.4b8gtht9d.
    """
    manifest = read_manifest() if manifest is None else manifest
    jobs = [LabJob(lab, (Path(out) / lab.name).resolve(), _hashes(lab, manifest)) for lab in find_labs(labs)]
    open_jobs = [job for job in jobs if not _is_complete(job, overwrite)]
    if open_jobs:
        with open_source(BASE_URL if mirror is None else str(mirror)) as source:
            _check_source_stays(source, open_jobs)
            fetch_labs(open_jobs, source, progress=progress)
    return [Downloaded(job.final, len(job.hashes), job in open_jobs) for job in jobs]


def _hashes(lab: Lab, manifest: Mapping[str, str]) -> dict[str, str]:
    prefix = f"{lab.name}/"
    return {name.removeprefix(prefix): digest for name, digest in sorted(manifest.items()) if name.startswith(prefix)}


def _is_complete(job: LabJob, overwrite: bool) -> bool:
    """Whether the lab exists as published; a folder that differs is refused unless it may be replaced."""
    differences = differences_of(job.final, job) if job.final.is_dir() else []
    if job.final.is_dir() and not differences:
        return True
    if differences and not overwrite:
        raise UsageError(
            f"{job.final} exists and is not as published: {shortlist(differences)}; give another out (--out), "
            "or overwrite (--overwrite) to replace it and everything in it"
        )
    check_output(job.final, overwrite=True, options=ARGUMENTS)
    return False


def _check_source_stays(source: Source, jobs: list[LabJob]) -> None:
    """Refuse to replace a folder from which files are copied."""
    for job in jobs:
        place = source.place
        if place is not None and ((place / job.lab.name).resolve() == job.final or place.is_relative_to(job.final)):
            raise UsageError(
                f"mirror (--mirror) {source.name} is inside {job.final}, which would be replaced; "
                "give another out (--out)"
            )
