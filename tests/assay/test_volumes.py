"""Real volumes, and a real set of persons and tools: sizes and distances in millimetres, however they are stored."""

import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from scipy.ndimage import binary_erosion, distance_transform_edt

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.checks.check import check_dataset
from segassay.io.images import read_image, write_mask
from segassay.statistics.reliability import icc
from segassay.tables.mean_rater import MEAN_OF_RATERS
from segassay.tables.measured import areas_in_mm

READERS = [f"reader_{number}" for number in range(1, 5)]
CASES = ("0003_1", "0066_0", "0069_0")
"""Slices of 2.5, 0.5 and 2 mm; in the last one readers disagree most."""

Change = Callable[[nibabel.Nifti1Image], nibabel.Nifti1Image]


def as_it_is(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return image


def turned(axes: str) -> Change:
    def turn(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
        wanted = nibabel.orientations.axcodes2ornt(axes)
        now = nibabel.orientations.io_orientation(image.affine)
        return image.as_reoriented(nibabel.orientations.ornt_transform(now, wanted))

    return turn


def oblique(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """As a gantry that is tilted by 20 degrees stores it."""
    c, s = np.cos(0.35), np.sin(0.35)
    tilt = np.array([[1, 0, 0, 3.0], [0, c, -s, -40], [0, s, c, 9], [0, 0, 0, 1]])
    return nibabel.Nifti1Image(np.asarray(image.dataobj), tilt @ image.affine)


def lidc(multirater: Path, folder: Path, image: Change = as_it_is, mask: Change = as_it_is) -> Path:
    """Three nodules, images and masks stored in another way."""
    source = multirater / "lidc_nodules_3d"
    for name, change in [("images", image), *((f"labels/{reader}", mask) for reader in READERS)]:
        (folder / name).mkdir(parents=True)
        for case in CASES:
            nibabel.save(change(nibabel.load(source / name / f"{case}.nii.gz")), folder / name / f"{case}.nii.gz")
    table = pd.read_csv(source / "experiment.csv", dtype=str)
    table[table["case"].isin(CASES)].to_csv(folder / "experiment.csv", index=False)
    settings = {"raters": {"exchangeable": True}, "experiment": "experiment.csv", "control_group": "thin"}
    settings |= {"measurements": ["count", "volume"]}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
    return folder


def array_of(folder: Path, case: str, annotator: str) -> tuple[np.ndarray, np.ndarray]:
    """Mask and distances between voxels in millimetres, by nibabel alone."""
    image = nibabel.load(folder / f"labels/{annotator}/{case}.nii.gz")
    return np.asarray(image.dataobj) > 0, np.array(image.header.get_zooms()[:3], dtype=float)


@pytest.fixture(scope="module")
def nodules(multirater_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lidc(multirater_dir, tmp_path_factory.mktemp("lidc") / "lidc")


@pytest.fixture(scope="module")
def judged(nodules: Path) -> Evaluation:
    return evaluate(nodules, n_jobs=1)


def test_volumes_are_voxels_times_their_size_in_mm3(judged: Evaluation, nodules: Path) -> None:
    table = judged.tables.measured.set_index(["case", "annotator"])
    assert set(table["unit"]) == {"mm3"}
    for case in CASES:
        for reader in READERS:
            mask, zooms = array_of(nodules, case, reader)
            assert table.loc[(case, reader), "value"] == pytest.approx(np.count_nonzero(mask) * zooms.prod(), rel=1e-6)
            picture = sitk.ReadImage(str(nodules / f"labels/{reader}/{case}.nii.gz"))
            shape = sitk.LabelShapeStatisticsImageFilter()
            shape.Execute(sitk.Cast(picture, sitk.sitkUInt8))
            assert table.loc[(case, reader), "value"] == pytest.approx(shape.GetPhysicalSize(1), rel=1e-5)


def test_agreement_on_volumes_is_in_mm3_where_voxels_differ(judged: Evaluation, nodules: Path) -> None:
    """A nodule in slices of 0.5 mm has five times as many voxels as in those of 2.5 mm; the table keeps voxels."""
    volumes, voxels = [], []
    for case in CASES:
        masks = [array_of(nodules, case, reader) for reader in READERS]
        voxels.append([np.count_nonzero(mask) for mask, _ in masks])
        volumes.append([np.count_nonzero(mask) * zooms.prod() for mask, zooms in masks])
    of_area = judged.scores[judged.scores["measure"] == "icc_11_area"]["value"].item()
    assert of_area == pytest.approx(icc(np.array(volumes)).loc["ICC(1,1)", "value"], abs=1e-6)
    assert of_area != pytest.approx(icc(np.array(voxels, dtype=float)).loc["ICC(1,1)", "value"], abs=0.01)
    counted = judged.tables.counts.pivot(index="case", columns="annotator", values="area_px")
    np.testing.assert_array_equal(counted.loc[list(CASES), READERS].to_numpy(), voxels)


def test_areas_stay_numbers_of_pixels_where_all_pixels_are_alike(judged: Evaluation) -> None:
    """Then nothing changes, not even the last bit: the table itself is used."""
    counts, measured = judged.tables.counts, judged.tables.measured
    alike = measured.merge(counts[["case", "annotator", "area_px"]]).assign(value=lambda table: table["area_px"] * 0.7)
    assert areas_in_mm(counts, alike) is counts
    assert areas_in_mm(counts, measured[:0]) is counts
    assert areas_in_mm(counts, measured.assign(unit="px")) is counts
    assert areas_in_mm(counts, measured[measured["case"] != CASES[0]]) is counts, "a size is unknown"
    assert areas_in_mm(counts, measured) is not counts


def test_verdicts_know_that_they_are_about_volumes(judged: Evaluation) -> None:
    assert judged.summary["policy"]["of_volumes"] is True


def test_of_exchangeable_readers_alone_the_mean_is_tested_and_the_reason_is_said(judged: Evaluation) -> None:
    assert set(judged.effects["annotator"]) == {MEAN_OF_RATERS}
    gaps = judged.not_judged.set_index("measure")["why"]
    assert gaps["effects between annotators"].startswith("exchangeable raters draw no conclusions")


def test_distances_are_those_of_a_distance_transform_in_millimetres(judged: Evaluation, nodules: Path) -> None:
    table = judged.tables.distances.set_index(["case", "annotator_a", "annotator_b"])
    assert set(table["unit"]) == {"um"}
    for case in CASES:
        masks = {reader: array_of(nodules, case, reader)[0] for reader in READERS}
        zooms = array_of(nodules, case, READERS[0])[1]
        rims = {name: mask & ~binary_erosion(mask) for name, mask in masks.items()}
        away = {name: distance_transform_edt(~rim, sampling=zooms) for name, rim in rims.items()}
        for a, b in combinations(READERS, 2):
            there, back = away[b][rims[a]], away[a][rims[b]]
            row = table.loc[(case, a, b)]
            assert row["hd95"] / 1000 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-5)
            assert row["assd"] / 1000 == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)
            near = np.concatenate([there, back]) <= zooms.min() * (1 + 1e-6)
            assert row["nsd"] == pytest.approx(near.mean(), abs=1e-6)
            assert row["tolerance"] / 1000 == pytest.approx(zooms.min(), rel=1e-6)


def test_thicker_slices_make_distances_across_them_longer(
    multirater_dir: Path, tmp_path: Path, judged: Evaluation
) -> None:
    """The same voxels with slices twice as thick: as the distance transform says, and nowhere shorter."""

    def thick(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
        return nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([1, 1, 2, 1]))

    found = evaluate(lidc(multirater_dir, tmp_path / "thick", thick, thick), n_jobs=1)
    volumes = found.tables.measured["value"] / judged.tables.measured["value"]
    np.testing.assert_allclose(volumes, 2)
    before, after = (one.tables.distances for one in (judged, found))
    assert (after["hd95"] >= before["hd95"] * (1 - 1e-9)).all()
    assert (after["hd95"] > 1.5 * before["hd95"]).mean() > 0.25
    assert (after["hd95"] <= 2 * before["hd95"] * (1 + 1e-9)).all()
    finest = [0.820312, 0.636719, 0.741]  # in the plane, also of 0066_0, whose slices were the finest before
    assert (after.drop_duplicates("case")["tolerance"] / 1000).to_list() == pytest.approx(finest, rel=1e-5)


SAME_BODY = {
    "LPS": (turned("LPS"), turned("LPS")),
    "slices first": (turned("SAR"), turned("SAR")),
    "mirrored": (turned("LAI"), turned("LAI")),
    "masks as another program stores them": (as_it_is, turned("IPL")),
    "oblique": (oblique, oblique),
    "oblique, masks turned": (oblique, lambda image: turned("PSR")(oblique(image))),
}


@pytest.mark.parametrize("how", SAME_BODY)
def test_scores_do_not_depend_on_how_a_volume_is_stored(
    how: str, multirater_dir: Path, tmp_path: Path, judged: Evaluation
) -> None:
    found = evaluate(lidc(multirater_dir, tmp_path / "stored", *SAME_BODY[how]), n_jobs=1)
    for name in ("agreement", "leave_one_out", "distances", "measured", "boundaries", "counts", "votes"):
        one, other = getattr(found.tables, name), getattr(judged.tables, name)
        pd.testing.assert_frame_equal(one, other, rtol=1e-5, obj=name)


def test_a_mask_written_for_a_turned_volume_lies_where_its_image_lies(multirater_dir: Path, tmp_path: Path) -> None:
    folder = lidc(multirater_dir, tmp_path / "stored", turned("SAR"), turned("SAR"))
    image = folder / "images/0003_1.nii.gz"
    mask = np.asarray(nibabel.load(folder / "labels/reader_1/0003_1.nii.gz").dataobj) > 0
    write_mask(tmp_path / "mask.nii.gz", mask, read_image(image))
    written, wanted = (nibabel.as_closest_canonical(nibabel.load(path)) for path in (tmp_path / "mask.nii.gz", image))
    np.testing.assert_allclose(written.affine, wanted.affine, rtol=1e-6)
    source = nibabel.load(multirater_dir / "lidc_nodules_3d/labels/reader_1/0003_1.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj) > 0, np.asarray(source.dataobj) > 0)


def test_all_nodules_as_they_come(multirater_dir: Path, tmp_path: Path) -> None:
    """39 nodules with 28 spacings, in the middle of images: no error; objects of readers are nodules, not slips."""
    shutil.copytree(multirater_dir / "lidc_nodules_3d", tmp_path / "lidc", copy_function=shutil.copyfile)
    report = check_dataset(tmp_path / "lidc")
    found = [(problem.level, problem.kind) for problem in report.problems]
    assert found == [("warning", "spacing-differs"), ("warning", "in-the-middle")]
    assert "39 images have 28 spacings, 0.514 to 0.918 × 0.514 to 0.918 × 0.5 to 3 mm" in report.problems[0].what


def test_a_reference_that_is_a_rater_is_noticed(multirater_dir: Path, tmp_path: Path) -> None:
    """`gold` of BU-BIL 3 is the mask that person 2 drew in ImageJ, in all 47 images."""
    shutil.copytree(multirater_dir / "bubil3_16bit_crops", tmp_path / "bubil", copy_function=shutil.copyfile)
    raters = {
        f"person_{person}_{tool}": {"person": f"person_{person}", "tool": tool}
        for person in range(1, 6)
        for tool in ("amira", "imagej")
    }
    (tmp_path / "bubil/dataset.yaml").write_text(yaml.safe_dump({"raters": raters, "reference": "gold"}))
    found = [problem for problem in check_dataset(tmp_path / "bubil").problems if "gold" in problem.file]
    assert [problem.level for problem in found] == ["warning"]
    assert "the same masks as 'person_2_imagej' in every case" in found[0].what
