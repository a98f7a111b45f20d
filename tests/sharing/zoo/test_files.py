"""A bundle says what the training images were like, and `predict` compares new images with them as with members."""

import json
import shutil
import zipfile

import pytest

from segassay.errors import DataError
from segassay_monai.ensemble.familiar import read_description
from segassay_monai.prediction.bundles import read_bundle
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict


def columns(folder):
    return folder.cases[["case", "unlike_training", "is_unlike"]].to_dict("list")


def test_predict_compares_with_a_bundle_as_with_its_members(bundles, models, images, tmp_path):
    image = images / "d.tif"
    ours = columns(predict(models["three"], image, out=tmp_path / "ours", save=["mask"]))
    assert ours["unlike_training"][0] > 0
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in bundles["three"].rglob("*"):
            file.write(path, f"net/{path.relative_to(bundles['three'])}")
    for number, place in enumerate((bundles["three"], archive)):
        assert columns(predict(place, image, out=tmp_path / str(number), save=["mask"])) == ours


def test_the_numbers_stay_with_the_member_that_they_belong_to(bundles):
    content = json.loads((bundles["three"] / "models" / "familiar.json").read_text())
    assert content["member"] == 2
    assert set(content) == {"version", "member", "n_training", "intensity", "network"}
    found = [read_description(path) for path in find_model(bundles["three"]).checkpoints]
    assert [description is None for description in found] == [True, True, False]


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, '{"member": 0}', "MEMBER 7", "MEMBER 1.5", "MEMBER []", "\xff\xfe"]
)
def test_a_damaged_file_is_one_clear_error(bundles, tmp_path, text):
    bundle = shutil.copytree(bundles["one"], tmp_path / "net")
    path = bundle / "models" / "familiar.json"
    if text.startswith("MEMBER"):
        text = json.dumps(json.loads(path.read_text()) | {"member": json.loads(text.split()[1])})
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"familiar\.json does not describe|is not a bundle that SegAssay exported"):
        read_bundle(bundle)


def test_numbers_of_another_network_are_refused(bundles, images, tmp_path):
    bundle = shutil.copytree(bundles["one"], tmp_path / "net")
    path = bundle / "models" / "familiar.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"network": [row[1:] for row in content["network"]]}))
    with pytest.raises(DataError, match="numbers per image, not"):
        predict(bundle, images, out=tmp_path / "out")


def test_a_bundle_of_an_earlier_version_has_none(bundles, images, tmp_path):
    bundle = shutil.copytree(bundles["one"], tmp_path / "net")
    (bundle / "models" / "familiar.json").unlink()
    assert predict(bundle, images / "a.png", out=tmp_path / "out", save=["mask"]).cases["is_unlike"].isna().all()
