"""Finished studies, of which only what is read afterwards is there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml


def finish_study(out: Path, members: Mapping[str, Path], best: str) -> Path:
    """The folder of a study with an ensemble of the members of each target, but of those that leave out a rater.

    Args:
        out: Folder to write.
        members: Target -> folder of its members, from `drawn_members.write_members`.
        best: Target of the ensemble with the highest score.
    """
    rows = ["case,annotator,kind,path"]
    scores = {}
    for target, folder in members.items():
        seeds = sorted(int(path.parent.name[1:]) for path in folder.glob("s*/model.pt"))
        for seed in seeds:
            name = f"{target}_fold0_seed{seed}"
            shutil.copytree(folder / f"s{seed}", out / "members" / name)
            rows.append(f"1,{target}/s{seed},model,members/{name}/held_out/masks/1.png")
        if "without" not in target:
            ensemble = f"{target}/s{seeds[0]}-{seeds[-1]}"
            rows.append(f"1,{ensemble},ensemble,predictions/{target}/masks/1.png")
            scores[ensemble] = 0.7 if target == best else 0.6
    (out / "annotations.csv").write_text("\n".join(rows) + "\n")
    (out / "study.yaml").write_text(yaml.safe_dump({"dataset": "gone", "output_dir": "../somewhere"}))
    (out / "evaluation").mkdir()
    (out / "evaluation" / "summary.json").write_text(json.dumps({"policy": {"min_object_size": 30}}))
    write_scores(out, scores)
    return out


def write_scores(out: Path, scores: Mapping[str, float]) -> None:
    """Scores of ensembles against the raters, by name."""
    (out / "evaluation" / "tables").mkdir(exist_ok=True)
    rows = [f"validity,f1_pairwise,{name},{value}" for name, value in scores.items()]
    (out / "evaluation" / "tables" / "scores.csv").write_text("\n".join(["quality,measure,target,value", *rows]) + "\n")
