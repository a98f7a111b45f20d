"""Persons who are several raters: one vote, left out together, measured as one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.consensus.pixels import staple
from segassay.data.annotations import read_annotations
from segassay.errors import DataError
from segassay.report.notes import in_words
from segassay.tables.build import build_tables
from segassay.tables.persons import by_person
from small_datasets import make_dataset, row

N_CASES = 11
TOOLS = ("brush", "lasso", "wand")


def discs(seed: int, *, shift: int = 0, noise: float = 0.05) -> dict[str, np.ndarray]:
    """Two discs in each image, moved by so many pixels, with noisy edges."""
    found, rng = {}, np.random.default_rng(seed)
    rows, columns = np.ogrid[:32, :32]
    for case in range(N_CASES):
        mask = np.zeros((32, 32), dtype=bool)
        for place in ((9, 9), (21, 20 + case % 3)):
            distance = (rows - place[0]) ** 2 + (columns - place[1] - shift) ** 2
            mask |= distance <= 16 + rng.normal(0, 30 * noise, distance.shape)
        found[f"{case:02}"] = mask
    return found


PERSONS = {f"{name}_{tool}": {"person": name, "tool": tool} for name in ("ann", "ben") for tool in TOOLS[:2]}


def said(annotators: pd.DataFrame, *columns: str) -> set[tuple[str, ...]]:
    return set(annotators[list(columns)].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Four who agree, and one person with three tools and a view of their own."""
    masks = {f"quiet_{number}": discs(number) for number in range(4)}
    masks |= {f"loud_{tool}": discs(10 + place, shift=5) for place, tool in enumerate(TOOLS)}
    raters = {name: f"labels/{name}" for name in masks if name.startswith("quiet")}
    raters |= {f"loud_{tool}": {"person": "loud", "tool": tool} for tool in TOOLS}
    dataset = make_dataset(tmp_path_factory.mktemp("loud") / "data", masks, raters=raters)
    return evaluate(dataset.folder, n_jobs=1)


def test_a_person_with_three_tools_does_not_outvote_four_others(loud: Evaluation) -> None:
    """Against STAPLE of three others and the three masks of one person, the others agree; as six raters they do not."""
    own = loud.raters.set_index("rater")["dice_leave_one_out"]
    assert own.filter(like="quiet").min() > 0.8
    assert own.filter(like="loud").max() < 0.6
    between = loud.scores[(loud.scores["measure"] == "dice") & (loud.scores["target"] == "between raters")].iloc[0]
    pairs = loud.agreement[loud.agreement["iou_threshold"] == 0.5]
    of = pairs[["annotator_a", "annotator_b"]].map(lambda name: name.split("_")[0] if "loud" in name else name)
    different = pairs[of["annotator_a"] != of["annotator_b"]].assign(**of)
    each = different.groupby(["case", "annotator_a", "annotator_b"])["dice"].mean().groupby("case").mean().mean()
    assert between["value"] == pytest.approx(each)


def test_the_loud_person_is_apart_and_is_one(loud: Evaluation) -> None:
    assert loud.verdicts["raters"] == "not supported"
    assert "loud agrees with the others" in loud.summary["raters"]["sentence"]
    assert {"loud", "quiet_0"} <= set(loud.scores["target"])
    assert not [target for target in loud.scores["target"] if "loud_" in target]


def test_leaving_out_a_person_leaves_out_all_masks_of_the_person(tmp_path: Path) -> None:
    """C₋r of `a_brush` does not contain `a_lasso`: it is STAPLE of the other four."""
    masks = {name: discs(place, noise=0.3) for place, name in enumerate(("a_brush", "a_lasso", "b", "c", "d", "e"))}
    raters: dict[str, object] = {name: f"labels/{name}" for name in "bcde"}
    raters |= {name: {"person": "a"} for name in ("a_brush", "a_lasso")}
    dataset = make_dataset(tmp_path / "data", masks, raters=raters)
    tables = build_tables(dataset, read_annotations(dataset), n_jobs=1)
    for case in ("00", "07"):
        of_others = staple(np.stack([masks[name][case] for name in "bcde"])).mask
        for name in ("a_brush", "a_lasso"):
            assert row(tables.leave_one_out, case=case, rater=name, annotator=name)["n_px_a"] == of_others.sum()


def test_pairs_of_one_person_are_repetitions_and_not_agreement(tmp_path: Path) -> None:
    masks = {name: discs(place, noise=0.2) for place, name in enumerate(PERSONS)}
    found = evaluate(make_dataset(tmp_path / "data", masks, raters=PERSONS).folder, n_jobs=1)
    again = found.scores[found.scores["measure"] == "dice_repeated"].set_index("target")
    assert list(again.index) == ["ann", "ben"]
    assert set(again["note"]) == {"other tool"}
    pairs = found.agreement[found.agreement["iou_threshold"] == 0.5]
    own = pairs[(pairs["annotator_a"] == "ann_brush") & (pairs["annotator_b"] == "ann_lasso")]
    assert again.loc["ann", "value"] == pytest.approx(own["dice"].mean())
    shares = found.scores[found.scores["record"] == "objectivity/variance_share"]
    assert {"person", "tool", "person_tool"} <= set(shares["variant"])
    assert "fleiss_kappa_pixels" not in set(found.scores["measure"])
    assert "a person drew several masks, and has no single vote on a pixel" in set(found.not_judged["why"])


def test_the_order_of_persons_does_not_turn_a_pair_around(tmp_path: Path) -> None:
    """`z` is the person of rater `a`, and `y` of rater `b`: precision of a pair stays that of the same masks."""
    masks = {name: discs(place, noise=0.3) for place, name in enumerate(("a1", "a2", "b"))}
    raters = {"a1": {"person": "z"}, "a2": {"person": "z"}, "b": {"person": "y"}}
    dataset = make_dataset(tmp_path / "data", masks, raters=raters)
    annotations = read_annotations(dataset)
    raw = build_tables(dataset, annotations, n_jobs=1)
    tables, people = by_person(raw, annotations)
    pair = row(tables.agreement, case="03", annotator_a="y", annotator_b="z")
    of_masks = [row(raw.agreement, case="03", annotator_a=name, annotator_b="b") for name in ("a1", "a2")]
    assert pair["n_px_b"] == np.mean([one["n_px_a"] for one in of_masks])
    assert pair["recall"] == pytest.approx(np.mean([one["precision"] for one in of_masks]))
    shifts = [
        raw.distances.query(f"case == '03' and annotator_a == '{name}' and annotator_b == 'b'")["shift"].iloc[0]
        for name in ("a1", "a2")
    ]
    turned = tables.distances.query("case == '03' and annotator_a == 'y' and annotator_b == 'z'")["shift"].iloc[0]
    assert turned == pytest.approx(-np.mean(shifts))
    within = {"case": "03", "tolerance_px": 1}
    near = [row(raw.surface_shares, annotator_a=name, annotator_b="b", **within)["share"] for name in ("a1", "a2")]
    between = row(tables.surface_shares, annotator_a="y", annotator_b="z", **within)["share"]
    assert between == pytest.approx(np.mean(near))
    assert said(people, "annotator") == {("y",), ("z",)}


def test_one_person_only_has_nobody_to_agree_with(tmp_path: Path) -> None:
    masks = {f"me_{tool}": discs(place) for place, tool in enumerate(TOOLS)}
    raters = {f"me_{tool}": {"person": "me", "tool": tool} for tool in TOOLS}
    found = evaluate(make_dataset(tmp_path / "data", masks, raters=raters).folder, n_jobs=1)
    assert found.verdicts["raters"] == "cannot be judged: no second rater"
    assert found.scores[found.scores["target"] == "between raters"].empty
    assert set(found.scores.loc[found.scores["measure"] == "f1_repeated", "target"]) == {"me"}
    assert found.leave_one_out.empty


def test_persons_with_one_mask_each_change_nothing(tmp_path: Path) -> None:
    masks = {name: discs(place) for place, name in enumerate("abcd")}
    plain = evaluate(make_dataset(tmp_path / "plain", masks).folder, n_jobs=1)
    raters = {name: {"person": f"p_{name}", "tool": "brush"} for name in masks}
    described = evaluate(make_dataset(tmp_path / "described", masks, raters=raters).folder, n_jobs=1)
    for name, frame in plain.frames.items():
        if name != "annotations":
            pd.testing.assert_frame_equal(described.frames[name], frame)


def test_a_person_with_the_name_of_a_model_is_an_error(tmp_path: Path) -> None:
    masks = {name: discs(place) for place, name in enumerate(PERSONS)}
    dataset = make_dataset(tmp_path / "data", masks, raters=PERSONS)
    with pytest.raises(DataError, match="'ann' is a person and a model"):
        evaluate(dataset.folder, masks={"ann": discs(9)}, n_jobs=1)


def test_models_of_a_persons_masks_are_models_of_the_person(tmp_path: Path) -> None:
    masks = {name: discs(place) for place, name in enumerate(PERSONS)}
    dataset = make_dataset(tmp_path / "data", masks, raters=PERSONS)
    rows = pd.DataFrame(
        [{"case": case, "annotator": "net", "kind": "model", "path": mask} for case, mask in discs(9).items()]
    ).assign(trained_on="ann_lasso", held_out="true")
    found = evaluate(dataset.folder, annotations=rows, n_jobs=1)
    assert said(found.people[found.people["annotator"] == "net"], "trained_on") == {("ann",)}
    assert said(found.annotations[found.annotations["annotator"] == "net"], "trained_on") == {("ann_lasso",)}
    assert "raters" not in found.summary


def test_a_reference_that_is_a_rater_or_the_raters_consensus_is_said(tmp_path: Path) -> None:
    masks = {name: discs(place, noise=0.3) for place, name in enumerate("abcde")}
    fused = {case: staple(np.stack([masks[name][case] for name in "abcde"])).mask for case in masks["a"]}
    for name, reference, words in (
        ("copied", masks["b"], "gold is the mask of b in 11 of 11 images"),
        ("fused", fused, "gold is the raters' own consensus (staple) in 11 of 11 images"),
        ("own", discs(9, noise=0.3), None),
    ):
        raters = {rater: f"labels/{rater}" for rater in "abcde"}
        dataset = make_dataset(tmp_path / name, masks | {"gold": reference}, raters=raters, reference="labels/gold")
        notes = [in_words(note) for note in build_tables(dataset, read_annotations(dataset), n_jobs=1).notes]
        found = [note for note in notes if note.startswith("gold is the")]
        assert [note.startswith(words) for note in found] == [True] if words else found == []


def test_a_rater_that_is_the_consensus_of_the_others_is_said(tmp_path: Path) -> None:
    masks = {name: discs(place, noise=0.3) for place, name in enumerate("abcde")}
    stacks = {case: np.stack([masks[name][case] for name in "abcde"]) for case in masks["a"]}
    for method, fused in (
        ("staple", {case: staple(stack).mask for case, stack in stacks.items()}),
        ("majority", {case: stack.sum(axis=0) > 2 for case, stack in stacks.items()}),
    ):
        dataset = make_dataset(tmp_path / method, masks | {"f": fused})
        notes = [in_words(note) for note in build_tables(dataset, read_annotations(dataset), n_jobs=1).notes]
        found = [note for note in notes if "of the other raters in" in note]
        assert len(found) == 1
        assert found[0].startswith(f"f is the consensus ({method}) of the other raters in 11 of 11 images") or (
            method == "majority" and found[0].startswith("f is the consensus (staple)")
        )


def test_ten_mask_sets_of_a_published_lab_are_five_persons(tmp_path: Path, multirater_dir: Path) -> None:
    """BU-BIL 3: five persons, Amira and ImageJ; the reference is person 2's ImageJ mask."""
    folder = tmp_path / "lab"
    folder.mkdir()
    for name in ("images", "labels", "gold"):
        (folder / name).symlink_to(multirater_dir / "bubil3_16bit_crops" / name)
    raters = [
        f"  person_{person}_{tool}: {{person: p{person}, tool: {tool}}}"
        for person in range(1, 6)
        for tool in ("amira", "imagej")
    ]
    (folder / "dataset.yaml").write_text("reference: gold\nraters:\n" + "\n".join(raters) + "\n")
    cases = sorted(path.stem for path in (folder / "images").iterdir())[:12]
    found = evaluate(folder, cases=cases, n_jobs=1)
    assert set(found.scores.loc[found.scores["measure"] == "f1_leave_one_out", "target"]) == {
        "all raters",
        *(f"p{person}" for person in range(1, 6)),
    }
    assert any("gold is the mask of person_2_imagej in 12 of 12" in note for note in found.summary["policy"]["notes"])
    shares = found.scores[found.scores["record"] == "objectivity/variance_share"]
    area = shares[shares["of"] == "area"].set_index("variant")["value"]
    assert area["case"] > 0.8  # cells differ much more than persons
    assert area.sum() == pytest.approx(1)
    repeated = found.scores[found.scores["measure"] == "dice_repeated"].set_index("target")["value"]
    between = found.scores[(found.scores["measure"] == "dice") & (found.scores["target"] == "between raters")]
    assert repeated.mean() > between["value"].iloc[0]
