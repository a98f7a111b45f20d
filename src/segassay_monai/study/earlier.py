"""Find members of an earlier version, whose folders do not name the version of the training, and keep them on demand.

OUT/members/<id>-<identity>/ of the same settings and data  ->  OUT/members/<target>_fold0_seed3-v1-<identity>/

config.yaml and the checkpoint record their settings, images and masks, which are compared with the plan. The versions
of SegAssay and torch, `threads` and dataset.yaml of that time are not recorded, so the user decides.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segassay.errors import DataError
from segassay.io.yaml_files import read_yaml
from segassay_monai.study.identity import known_hash, training_config
from segassay_monai.study.plan import PlannedMember, Study
from segassay_monai.study.store import claim, read_state, write_state
from segassay_monai.training.settings import ELSEWHERE, is_plain, known_before

__all__ = ["describe_earlier", "find_earlier", "keep_earlier"]

_EARLIER = re.compile(r".+_fold\d+_seed\d+-[0-9a-f]{8}")


def find_earlier(study: Study) -> dict[str, Path]:
    """Folders of an earlier version that hold a planned member which is not done.

    Returns:
        Id of the member -> folder. Folders with other settings, images or masks are left out.
    """
    folders = [path for path in sorted((study.out / "members").glob("*")) if _EARLIER.fullmatch(path.name)]
    left = [planned for planned in study.members if not study.is_done(planned)] if folders else []
    found: dict[str, Path] = {}
    for folder in folders:
        then = _config_of(folder)
        same = [planned for planned in left if planned.id not in found and _is_same(study, planned, then)]
        if same and _has_seen(study, same[0], folder):
            found[same[0].id] = folder
    return found


def _config_of(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_yaml(folder / "config.yaml"))
    except (OSError, ValueError, TypeError):
        return {}


def _is_same(study: Study, planned: PlannedMember, then: Mapping[str, Any]) -> bool:
    """Whether a training had the settings of a planned one."""
    now, then = known_before(training_config(study.path, planned.training)), known_before(then)
    names = {name for name, value in [*now.items(), *then.items()] if is_plain(value)} | set(planned.training)
    return all(now.get(name) == then.get(name) for name in names - set(ELSEWHERE))


def _has_seen(study: Study, planned: PlannedMember, folder: Path) -> bool:
    from segassay_monai.ensemble.members import read_members  # loads torch

    try:
        member = read_members([folder / "model.pt"])[0]
    except DataError:
        return False
    expected: tuple[Any, ...] = (
        planned.rater,
        planned.fold,
        planned.seed,
        study.dataset.name,
        known_hash(study.dataset),
    )
    return (member.trained_on, member.fold, member.seed, member.dataset, member.data_hash) == expected


def describe_earlier(study: Study, found: Mapping[str, Path]) -> str:
    """Message on what to do with the folders found, and how many were kept; empty if there are none."""
    lines = []
    if found:
        lines.append(
            f"{len(found)} members in {study.out / 'members'} were trained by an earlier version, with the settings, "
            f"images and masks of this study. To keep them: segassay study run {study.path} --keep-old. Without it "
            "they are trained again, and the old folders stay. Not recorded, and so not compared: the code, the "
            "version of torch, `threads`, and min_object_size and spacing_um in dataset.yaml."
        )
    if kept := read_state(study).get("kept", {}):
        lines.append(f"{len(kept)} members were trained by an earlier version and kept; state.json lists them.")
    return "\n".join(lines)


def keep_earlier(study: Study) -> list[str]:
    """Rename folders of an earlier version to the planned names, and record the old names in state.json.

    Returns:
        Ids of the members that were found.
    """
    with claim(study, "earlier", timeout=-1):
        found = find_earlier(study)
        for planned in study.members:
            if planned.id in found and not study.is_done(planned):
                os.replace(found[planned.id], study.place(planned))
                kept = read_state(study).get("kept", {}) | {study.place(planned).name: found[planned.id].name}
                write_state(study, kept=kept)
    return list(found)
