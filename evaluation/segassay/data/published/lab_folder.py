"""The folder of a published lab: its expected files, and which are missing, changed or not part of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segassay.data.published.segebarth2020 import Lab, lab_notes
from segassay.io.images import sha256


@dataclass(frozen=True)
class LabJob:
    """One lab to fetch; `hashes` are the SHA-256 of its files by their path in the lab's folder."""

    lab: Lab
    final: Path
    hashes: Mapping[str, str]

    @property
    def partial(self) -> Path:
        """Folder of its files until all are complete."""
        return self.final.with_name(f"{self.final.name}.partial")


def differences_of(folder: Path, job: LabJob) -> list[str]:
    """Files that are missing, changed, or not part of the lab; hidden files are ignored."""
    found = [name for name, digest in job.hashes.items() if not holds(folder / name, digest)]
    notes = {} if found else lab_notes(job.lab, folder)
    found += [name for name, text in notes.items() if not holds(folder / name, hashlib.sha256(text).hexdigest())]
    known = {*job.hashes, "dataset.yaml", "experiment.csv", "SOURCE.txt"}
    paths = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    strange = [
        path.as_posix()
        for path in sorted(paths)
        if path.as_posix() not in known and not any(part.startswith(".") for part in path.parts)
    ]
    what = {name: "changed" if (folder / name).exists() else "missing" for name in found}
    return [f"{name} ({what[name]})" for name in sorted(found)] + [f"{name} (not part of it)" for name in strange]


def holds(path: Path, digest: str) -> bool:
    """Whether a file exists with this SHA-256."""
    return path.is_file() and sha256(path) == digest
