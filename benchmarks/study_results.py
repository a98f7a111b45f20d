"""Keep the results of a study: verdicts, the table of strategies, costs, and figures.

    python benchmarks/study_results.py benchmarks/studies/lab-wue1.yaml      after `segassay study run` on the same file

Writes results/studies/<name>.json and two tables, and docs/figures/<name>_<figure>.png; it does not train.
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
from measuring import ROOT, circumstances, save

from segassay.judgement.summary import QUALITIES
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.training.train import SECONDS

FIGURES = ("strategies", "imprint", "saturation")
SPENDING = ("spending",)
"""Figure of a study that compares the same number of masks by few or many raters."""
MEASURES = "f1_leave_one_out$|imprint|removal_of_bias|williams_index|variation_per_|same_verdict|saturation_"
"""Scores that are kept, in addition to the table of strategies."""


def costs(study: Study) -> dict[str, object]:
    """Seconds of the parts of a training, median over members."""
    done = [planned for planned in study.members if study.is_done(planned)]
    parts = pd.DataFrame([json.loads((study.place(planned) / SECONDS).read_text()) for planned in done])
    return {"n_members": len(study.members), "n_done": len(done), "seconds": parts.median().round(3).to_dict()}


def main(path: Path) -> None:
    """Write the results and copy the figures."""
    study = plan_study(path)
    evaluation = study.out / "evaluation"
    summary = json.loads((evaluation / "summary.json").read_text(encoding="utf-8"))
    scores = pd.read_csv(evaluation / "tables" / "scores.csv")
    strategies = pd.read_csv(evaluation / "tables" / "strategies.csv")
    kept = scores[scores["measure"].str.contains(MEASURES)]
    columns = ["quality", "measure", "target", "value", "low", "high", "n_cases", "note"]
    result = {
        "verdicts": {quality: {key: summary[quality][key] for key in ("verdict", "sentence")} for quality in QUALITIES},
        "costs": costs(study),
    }
    under = circumstances(study.dataset, ["torch", "monai", "numpy"])
    target = ROOT / "benchmarks" / "results" / "studies" / f"{study.name}.json"
    target.parent.mkdir(exist_ok=True)
    save(target, "study", result | under)
    for table, rows in (("strategies", strategies), ("scores", kept[columns])):
        rows.to_csv(target.with_name(f"{study.name}_{table}.csv"), index=False, float_format="%.5g")
    figures = evaluation / "figures"
    for name in SPENDING if (figures / "spending.png").is_file() else FIGURES:
        figure = figures / f"{name}.png"
        if figure.is_file():
            shutil.copy(figure, ROOT / "docs" / "figures" / f"{study.name}_{name}.png")
    print(f"{target.relative_to(ROOT)}: {len(strategies)} rows of strategies, {len(kept)} scores")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
