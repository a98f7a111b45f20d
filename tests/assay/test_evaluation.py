"""An evaluation from Python: the same masks from files, tables or arrays, its tables, figures and pages."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import segassay
from forked import pool_of_copies
from segassay import evaluate
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image, read_mask
from segassay.simulation.dataset import RaterHabit, Simulation, simulate

matplotlib.use("Agg")

RATERS = tuple(RaterHabit(f"rater_{i}", brightness_threshold=1 + 0.5 * i) for i in range(4))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six small images by four raters, in two groups."""
    settings = Simulation(shape=(48, 48), n_cases=6, images_per_subject=1, n_nuclei=5, raters=RATERS)
    return read_dataset(simulate(tmp_path_factory.mktemp("interface") / "data", settings))


@pytest.fixture(scope="module")
def of_folder(dataset: Dataset) -> segassay.Evaluation:
    return evaluate(dataset.folder)


@pytest.fixture(scope="module")
def in_memory(dataset: Dataset) -> dict[str, object]:
    """All that the folder holds, as arguments."""
    settings = dataset.settings
    return {
        "masks": {r: {case: read_mask(path) for case, path in files.items()} for r, files in dataset.masks.items()},
        "images": {case: read_image(path).array[0] for case, path in dataset.images.items()},
        "experiment": dataset.experiment,
        "control_group": settings.control_group,
        "equivalence_margin": settings.equivalence_margin,
        "min_object_size": settings.min_object_size,
        "spacing_um": settings.spacing_um,
    }


@pytest.fixture(scope="module")
def of_arrays(in_memory: dict[str, object]) -> segassay.Evaluation:
    return evaluate(**in_memory)


def check_equal(one: segassay.Evaluation, two: segassay.Evaluation, *, without: tuple[str, ...] = ()) -> None:
    names = [name for name in one.frames if name not in ("annotations", *without)]
    assert len(names) > 8
    for name in names:
        pd.testing.assert_frame_equal(one.frames[name], two.frames[name], obj=name)
    assert one.verdicts == two.verdicts


def test_arrays_give_the_numbers_of_the_folder(of_folder, of_arrays):
    assert len(of_arrays.effects) > 0
    check_equal(of_folder, of_arrays)
    assert of_arrays.summary["data_hash"] != of_folder.summary["data_hash"]  # of pixels, not of files


def test_arrays_reach_other_processes_and_no_file_is_written(in_memory, of_arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("segassay.workers.pool.START_SECONDS", 0)
    monkeypatch.setattr("segassay.workers.pool.ProcessPoolExecutor", pool_of_copies)
    check_equal(of_arrays, evaluate(**in_memory, n_jobs=2))
    assert list(tmp_path.iterdir()) == []


def test_the_hash_is_of_what_the_arrays_hold():
    square = np.zeros((9, 9), dtype=bool)
    square[2:6, 2:6] = True
    call = {
        "masks": {"anna": {"1": square}, "ben": {"1": square}},
        "images": {"1": np.eye(9)},
        "experiment": pd.DataFrame({"case": ["1"], "group": "a"}),
    }
    one = evaluate(**call).summary["data_hash"]
    assert evaluate(**call).summary["data_hash"] == one
    assert evaluate(**call | {"images": {"1": np.eye(9) + 1}}).summary["data_hash"] != one
    assert evaluate(**call | {"experiment": call["experiment"].assign(batch="b")}).summary["data_hash"] != one
    masks_of_ben = {"anna": {"1": square}, "ben": {"1": ~square}}
    assert evaluate(**call | {"masks": masks_of_ben}).summary["data_hash"] != one


def test_a_table_of_paths_or_of_arrays_gives_the_numbers_of_the_folder(of_folder, dataset, in_memory):
    rows = [
        {"case": case, "annotator": rater, "kind": "human", "path": path}
        for rater, files in dataset.masks.items()
        for case, path in files.items()
    ]
    paths = pd.DataFrame(rows)
    described = {name: value for name, value in in_memory.items() if name != "masks"}
    check_equal(of_folder, evaluate(annotations=paths, **described))
    arrays = paths.assign(path=[read_mask(path) for path in paths["path"]], seed=[1.0, None] * 12)
    check_equal(of_folder, evaluate(annotations=arrays, **described))


def test_masks_alone_give_all_but_intensities_and_effects(of_folder, in_memory):
    found = evaluate(masks=in_memory["masks"])
    measures = ["case", "annotator_a", "annotator_b", "dice", "iou"]  # of pixels, whatever the smallest object
    pd.testing.assert_frame_equal(found.agreement[measures], of_folder.agreement[measures])
    assert found.counts["mean_intensity"].isna().all()
    assert found.effects.empty


def test_without_images_counts_are_still_compared_between_groups(of_folder, in_memory):
    found = evaluate(**{name: value for name, value in in_memory.items() if name != "images"})
    assert found.counts["mean_intensity"].isna().all()
    of_counts = [
        effects.query("measure == 'count'").reset_index(drop=True) for effects in (of_folder.effects, found.effects)
    ]
    pd.testing.assert_frame_equal(*of_counts)
    assert (found.effects.query("measure == 'mean_intensity'")["verdict"] == "not_testable").all()


def test_a_prediction_in_memory_stands_beside_a_folder(dataset, in_memory):
    found = evaluate(dataset.folder, masks={"net": in_memory["masks"]["rater_0"]})
    assert found.kinds["net"] == "model"
    twins = found.agreement.query("annotator_a == 'net' and annotator_b == 'rater_0'")
    assert len(twins) == 60
    assert (twins["f1"] == 1).all()


def test_kinds_and_the_reference_are_named(in_memory):
    found = evaluate(masks=in_memory["masks"], kinds={"rater_0": "model"}, reference="rater_1")
    assert found.kinds == {"rater_1": "consensus", "rater_0": "model", "rater_2": "human", "rater_3": "human"}


def test_label_images_channels_and_areas_are_taken():
    labels = np.zeros((24, 24), dtype=np.int32)
    labels[2:8, 2:5], labels[2:8, 5:8], labels[14:20, 14:20] = 1, 2, 3
    image = np.stack([np.zeros((24, 24)), np.full((24, 24), 7.0)])
    ignored = np.zeros((24, 24), dtype=bool)
    ignored[12:] = True
    one_case = {"anna": {"1": labels}, "ben": {"1": labels > 0}}
    found = evaluate(masks=one_case, images={"1": image}, ignore={"1": ignored}, intensity_channel=1)
    assert found.counts[["n_objects", "mean_intensity", "region_area_px"]].values.tolist() == [[2, 7, 288], [1, 7, 288]]
    inside = evaluate(masks=one_case, images={"1": image}, regions={"1": ignored})
    assert inside.counts["n_objects"].tolist() == [1, 1]


def test_agreement_of_two_masks_is_that_of_the_tables(of_folder, in_memory):
    spacing, size = in_memory["spacing_um"], in_memory["min_object_size"]
    row = of_folder.agreement.iloc[0]
    a, b = (in_memory["masks"][row[f"annotator_{side}"]][row["case"]] for side in "ab")
    found = segassay.agreement(a, b, spacing=spacing, min_size=size, iou_thresholds=np.arange(0.5, 1, 0.05))
    rows = of_folder.agreement.iloc[:10]
    for column in ("n_a", "n_b", "tp", "precision", "recall", "f1", "sq", "mean_iou", "dice", "iou", "n_merges"):
        np.testing.assert_allclose(found[column], rows[column].astype(float))
    distances = of_folder.distances.iloc[0]
    for column in ("hd95", "assd", "nsd", "shift"):
        assert found[column].iloc[0] == pytest.approx(distances[column])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (0, 0, {"f1": 1, "ap": 1, "pq": 1, "dice": 1, "hd95": 0, "nsd": 1}),
        (1, 0, {"f1": 0, "ap": 0, "pq": 0, "dice": 0, "hd95": np.nan, "nsd": 0}),
        (1, 1, {"f1": 1, "ap": 1, "pq": 1, "dice": 1, "hd95": 0, "nsd": 1}),
    ],
)
def test_agreement_of_empty_masks(a, b, expected):
    drawn = np.zeros((9, 9), dtype=np.uint8)
    drawn[3:6, 3:6] = 255
    found = segassay.agreement(drawn * a, drawn * b).iloc[0]
    assert found[list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)


def test_agreement_leaves_out_small_objects_and_ignored_areas():
    a = np.zeros((12, 12), dtype=bool)
    a[1:5, 1:5] = a[8, 8] = True
    b = a.copy()
    b[8, 8] = False
    ignored = np.zeros((12, 12), dtype=bool)
    ignored[1:5, 1:5] = True
    assert segassay.agreement(a, b)[["n_a", "n_b"]].values.tolist() == [[2, 1]]
    assert segassay.agreement(a, b, min_size=2)[["n_a", "n_b"]].values.tolist() == [[1, 1]]
    assert segassay.agreement(a, b, ignore=ignored)[["n_a", "n_b"]].values.tolist() == [[1, 0]]
    assert segassay.agreement(a, b, region=ignored)[["n_a", "n_b", "dice"]].values.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"masks": None}, UsageError, "nothing to evaluate; give .* annotations=, or masks="),
        ({"dataset": pd.DataFrame()}, UsageError, "dataset is of type DataFrame; .* a table of masks as annotations="),
        ({"masks": {1: {}, "1": {}}}, UsageError, "an annotator of 1 twice, as a number and as a text"),
        ({"masks": {"anna": {"1": np.eye(9) > 0}}}, DataError, "'anna' is the only annotator"),
        ({"masks": {"anna": np.eye(9) > 0}}, UsageError, "expected a folder, or a dictionary of one array per case"),
        ({"kinds": {"zoe": "human"}}, UsageError, "no masks by 'zoe' are given; expected one of anna, ben"),
        ({"kinds": {"ben": "robot"}}, DataError, "kind is 'robot'; expected one of human"),
        ({"images": {"2": np.eye(9)}}, DataError, "images has no case '1'"),
        ({"images": {"1": np.eye(8)}}, DataError, r"images\['1'\] has shape \(8, 8\), but its masks have \(9, 9\)"),
        ({"experiment": pd.DataFrame({"case": ["1"]})}, DataError, "no column group"),
        ({"experiment": pd.DataFrame({"case": ["9"], "group": "a"})}, DataError, "case '9' has no image"),
        ({"min_object_size": -1}, UsageError, "min_object_size is -1"),
        ({"dataset": "nowhere", "spacing_um": (1, 1)}, UsageError, "spacing_um is given together with a dataset"),
        ({"track": True}, UsageError, "give out as well"),
    ],
)
def test_a_wrong_call_says_what_to_do(change, error, message):
    call = {"masks": {"anna": {"1": np.eye(9) > 0}, "ben": {"1": np.eye(9) > 0}}} | change
    with pytest.raises(error, match=message):
        evaluate(**call)


def test_a_mask_that_is_none_is_named():
    probabilities = np.full((9, 9), 0.5)
    with pytest.raises(DataError, match=r"masks\['ben'\]\['1'\] holds fractions"):
        evaluate(masks={"anna": {"1": np.eye(9) > 0}, "ben": {"1": probabilities}})


def test_annotators_may_be_numbers_as_cases_may():
    ones = {7: np.eye(9) > 0}
    found = evaluate(masks={1: ones, 2: ones, 3: ones}, kinds={2: "model"}, reference=3)
    assert found.kinds == {"1": "human", "2": "model", "3": "consensus"}


def test_masks_that_are_no_dictionary_are_named():
    with pytest.raises(UsageError, match="masks is of type list; expected a dictionary of annotators"):
        evaluate(masks=[1])


def test_python_is_quiet_unless_progress_is_asked_for(in_memory, capsys):
    two = {rater: in_memory["masks"][rater] for rater in ("rater_0", "rater_1")}
    evaluate(masks=two)
    assert capsys.readouterr().err == ""
    evaluate(masks=two, progress=True)
    assert "compared masks of 6 of 6 images" in capsys.readouterr().err


def test_a_tool_with_a_mask_of_one_image_alone_warns_of_nothing_and_counts_one_image(recwarn):
    """Without this image, which intervals leave out once, nothing is known of the tool."""
    squares = [np.index_exp[row : row + 8, column : column + 8] for row in (4, 24) for column in (4, 24)]
    rows = []
    for case in range(4):
        for name, kind, step in [("anna", "human", 2), ("ben", "human", 3), ("cleo", "human", 5), ("tool", "model", 4)]:
            mask = np.zeros((40, 40), dtype=bool)
            for number, square in enumerate(squares):
                mask[square] = (case + number) % step > 0
            if kind == "human" or not case:
                rows.append((str(case), name, kind, mask))
    found = evaluate(annotations=pd.DataFrame(rows, columns=["case", "annotator", "kind", "path"]))
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []
    assert "tool reaches an F1 of 0.80 (1 image);" in found.summary["validity"]["sentence"]


def test_figures_are_axes_drawn_where_they_should(of_folder):
    import matplotlib.pyplot as plt

    assert of_folder.plot.available == [
        *("agreement", "f1_over_threshold", "habits", "effects", "specifications"),
        *("clustered_agreement", "bland_altman", "contrast", "variation_per_effect"),
    ]
    assert all(len(np.atleast_1d(getattr(of_folder.plot, name)())) for name in of_folder.plot.available)
    for draw in (of_folder.plot.agreement, of_folder.plot.f1_over_threshold):
        axes = draw()
        assert isinstance(axes, Axes)
        assert axes.figure.number in plt.get_fignums()  # a notebook shows it
        own = Figure().subplots(1, 2)
        assert draw(ax=own[1]) is own[1]
        assert own[1].has_data()
        assert not own[0].has_data()
    for several in (of_folder.plot.habits, of_folder.plot.effects, of_folder.plot.specifications):
        assert all(isinstance(axes, Axes) for axes in several())
        own_figure = Figure()
        assert several(figure=own_figure)[0].figure is own_figure
    assert len(of_folder.plot.habits()) == 4
    plt.close("all")


def test_a_figure_without_anything_to_show_says_so(of_folder):
    with pytest.raises(UsageError, match="nothing to show as imprint; there are agreement, f1_over_threshold"):
        of_folder.plot.imprint()
    with pytest.raises(UsageError, match=r"nothing to show as effects\('size'\); there are .*effects\('count'\)"):
        of_folder.plot.effects("size")


def test_what_is_saved_later_is_what_would_have_been_written(dataset, of_folder, tmp_path):
    evaluate(dataset.folder, tmp_path / "out")
    saved = of_folder.save(tmp_path / "saved")
    assert {path.relative_to(saved) for path in saved.rglob("*")} == {
        path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")
    }
    for path in (path for path in saved.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(saved)).read_bytes(), path.name
    assert of_folder.report(tmp_path / "one.html").read_bytes() == (saved / "report.html").read_bytes()
    with pytest.raises(UsageError, match="exists already; give another folder, or overwrite=True to replace it"):
        of_folder.save(saved)
    pd.testing.assert_frame_equal(segassay.plan(of_folder), segassay.plan(saved))


def test_a_notebook_shows_verdicts_annotators_and_numbers_and_no_name_becomes_code(in_memory):
    odd = {"<script>alert(1)</script>": in_memory["masks"]["rater_0"], "ben": in_memory["masks"]["rater_1"]}
    found = evaluate(masks=odd)
    page = found._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for quality, verdict in found.verdicts.items():
        assert quality in page
        assert verdict in page
        assert found.summary[quality]["sentence"][:40] in page.replace("&#x27;", "'")
    first = [part.iloc[0] for _, part in found.scores.dropna(subset=["value"]).groupby("quality")]
    assert all(f">{score['words']}</td>" in page for score in first)
    assert not any(f">{name}</td>" in page for name in found.scores["measure"] if "_" in name)
    assert "human" not in page
    assert repr(found).splitlines()[0] == "masks: 6 cases, 2 annotators (2 raters)"
    assert len(repr(found).splitlines()) == 5  # raters and three qualities
