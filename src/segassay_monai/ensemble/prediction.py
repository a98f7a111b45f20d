"""Write the predictions of an ensemble.

EnsembleNet, one case after another -> prob/ masks/ instances/ uncertainty/ disagreement/ doubt/ figures/
                                    -> uncertainty.csv, annotations.csv
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events

from segassay.data.cases import read_case_ignore, read_case_region
from segassay.data.dataset import Dataset
from segassay.data.names import list_images
from segassay.errors import DataError, raise_problems
from segassay.io.csv_tables import csv_text
from segassay.io.images import IMAGE_SUFFIXES, read_image
from segassay.io.outputs import prepare_output, publish_output, whole_or_nothing
from segassay_monai.ensemble.case_files import write_case
from segassay_monai.ensemble.class_objects import number_objects
from segassay_monai.ensemble.classes import channel_order, drawing_order, values_of
from segassay_monai.ensemble.ensemble_net import THRESHOLD, Prediction
from segassay_monai.ensemble.members import Member, common_value
from segassay_monai.ensemble.names import seed_range
from segassay_monai.ensemble.touching import touching_objects
from segassay_monai.ensemble.uncertainty import (
    COLUMNS,
    show_uncertainty,
    summarise_uncertainty,
    uncertainty_row,
)

logger = logging.getLogger("segassay")


def find_images(folder: str | Path) -> dict[str, Path]:
    """Find the images to predict: case -> file, in a folder or the `images/` in it, in natural order.

    In nnU-Net's folders the case is the name without the number of the channel.

    Raises:
        DataError: If the folder is missing, holds no image or an unusable one, or has two images of one case.
    """
    root = Path(folder)
    root = root / "images" if (root / "images").is_dir() else root
    if not root.is_dir():
        raise DataError.of(root, "is not a folder", "give a folder with images to predict")
    files, problems = list_images(root)
    raise_problems(root, [problem for problem in problems if problem.level == "error"])
    if not files:
        raise DataError.of(root, "holds no image", f"give a folder with {', '.join(IMAGE_SUFFIXES)} files")
    of_nnunet = (root.parent / "dataset.json").is_file()
    images: dict[str, Path] = {}
    for name, path in files:
        case = name.removesuffix("_0000") if of_nnunet else name
        if case in images:
            raise DataError.of(images[case], f"and {path} are two images of one case", "rename or remove one")
        images[case] = path
    if of_nnunet and any(case.endswith("_0001") for case in images):
        what = "holds a file for each channel, as nnU-Net does"
        raise DataError.of(root, what, "join its channels", expected="one file per image")
    return images


def ensemble_name(members: Sequence[Member]) -> str:
    """Annotator name of an ensemble: the targets of its members, and their seeds (`staple/s0-3`)."""
    if len(members) == 1:
        return members[0].name
    trained_on = "+".join(dict.fromkeys(member.trained_on for member in members))
    return f"{trained_on}/s{seed_range([member.seed for member in members])}"


class WritePredictions:
    """Write the prediction of each case: probability, mask, instance labels, uncertainty and its two parts.

    Files are PNG or TIFF for 2-D images, and NIfTI with the same affine for NIfTI images. The mask is where the
    probability exceeds one half; instances are its connected objects of at least `min_size` pixels. Uncertainties are
    from 0 to 1, on the same scale in every image: uncertainty = disagreement between members + doubt within them.

    Of members that tell touching objects apart, instances are divided by their depth, and the instances are what the
    table of annotations names, because a mask cannot show them.

    With classes a mask holds their values, as the masks of raters do; a region is overwritten by those inside it. The
    probability has one channel per class, in the order of the dataset if there is one, else of the model. Instances are
    the connected objects of each class, numbered through.

    Args:
        work_dir: Folder to write to.
        images: Case -> image file.
        min_size: Smallest object, in pixels.
        dataset: If given, the means of uncertainty leave out its ignored areas and the pixels outside its regions; the
            maps have all pixels.
    """

    def __init__(
        self, work_dir: Path, images: Mapping[str, Path], min_size: int = 0, dataset: Dataset | None = None
    ) -> None:
        self.work_dir, self.images, self.min_size, self.dataset = Path(work_dir), images, min_size, dataset
        self.has_classes = False
        self.written: list[dict[str, str]] = []
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Any) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Any) -> None:
        case = engine.state.batch[0]["case"]
        prediction = predicted(engine)
        self.has_classes = bool(prediction.classes)
        arrays = case_arrays(prediction, () if self.dataset is None else self.dataset.class_names)
        arrays["instances"] = objects_of_classes(prediction, min_size=self.min_size)[0]
        picture = read_image(self.images[case])
        written = write_case(self.work_dir, case, self.images[case], picture, arrays)
        path = written["masks" if prediction.depth is None else "instances"]
        files = {"path": path, "prob": written["prob"], "uncertainty": written["uncertainty"]}
        self.written.append({"case": case, **files})
        self.rows.append(uncertainty_row(case, prediction, **areas(self.dataset, case)))

    def uncertainty(self) -> pd.DataFrame:
        """Table of `uncertainty.csv`, one row per case."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    def write_tables(self, members: Sequence[Member], held_out: bool | None) -> None:
        """Write `annotations.csv` and `uncertainty.csv`."""
        (self.work_dir / "annotations.csv").write_bytes(csv_text(self.annotations(members, held_out)).encode())
        (self.work_dir / "uncertainty.csv").write_bytes(csv_text(self.uncertainty()).encode())

    def annotations(self, members: Sequence[Member], held_out: bool | None) -> pd.DataFrame:
        """Table of `annotations.csv`, one row per mask; paths are relative to the folder."""
        table = pd.DataFrame(self.written, columns=["case", "path", "prob", "uncertainty"])
        table.insert(1, "annotator", ensemble_name(members))
        table.insert(2, "kind", "ensemble" if len(members) > 1 else "model")
        for column in ("strategy", "trained_on", "fold", "seed"):
            table[column] = common_value(members, column)
        table["held_out"] = "" if held_out is None else held_out
        return table


def case_arrays(prediction: Prediction, order: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Mask and maps `(*spatial)` of the prediction of one image, named as their folders.

    Args:
        prediction: Of one image.
        order: Names of the classes in the order of their probabilities; by default that of the model.

    Returns:
        With classes, `masks` are their values, and `prob` is `(K, *spatial)`.
    """
    maps = {"uncertainty": prediction.total, "disagreement": prediction.disagreement, "doubt": prediction.doubt}
    prob = prediction.prob[0].numpy()
    arrays = {"prob": prob[0], **{kind: values[0, 0].numpy() for kind, values in maps.items()}}
    if not prediction.classes:
        return arrays | {"masks": arrays["prob"] > THRESHOLD}
    own = channel_order(prediction.classes, order)
    return arrays | {"prob": prob[own], "masks": values_of(prediction.masks(), prediction.classes)}


def objects_of_classes(
    prediction: Prediction, *, min_size: int, counted: np.ndarray | None = None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Objects of a prediction of one image, those of each class numbered through, as `number_objects` returns them.

    Objects that touch are divided where the members have learned to tell them apart.

    Args:
        prediction: Of one image.
        min_size: Smallest object, in pixels.
        counted: Boolean `(*spatial)`, pixels that count; by default all.
    """
    if prediction.depth is not None:
        labels = touching_objects(prediction, min_size=min_size, counted=counted)
        return labels, [labels]
    masks = prediction.masks() if counted is None else prediction.masks() & counted
    return number_objects(masks, drawing_order(prediction.classes) or [0], min_size=min_size)


def predicted(engine: Any) -> Prediction:
    """The last prediction of the evaluator's ensemble, on the CPU."""
    last: Prediction = engine.network.last
    return on_cpu(last)


def on_cpu(prediction: Prediction) -> Prediction:
    """A prediction with its maps on the CPU."""
    depth = None if prediction.depth is None else prediction.depth.cpu()
    return dataclasses.replace(prediction, prob=prediction.prob.cpu(), doubt=prediction.doubt.cpu(), depth=depth)


def areas(dataset: Dataset | None, case: str) -> dict[str, np.ndarray | None]:
    """Ignored area and region of a case, if there are any."""
    if dataset is None:
        return {}
    return {"ignore": read_case_ignore(dataset, case), "region": read_case_region(dataset, case)}


def run_inference(
    *,
    evaluator: Engine,
    writer: WritePredictions,
    members: Sequence[Member],
    work_dir: Path,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Run the evaluator on images without masks and write the predictions.

    It is not known whether a member was trained on one of these images, so `held_out` is empty.

    Args:
        evaluator: The evaluator, with all that it reads.
        writer: Its handler that writes.
        members: The members that predict.
        work_dir: Folder to write to until all is done.
        output_dir: Final folder, whose `work_dir` is made now; None if the configuration has made it.
        overwrite: Whether `output_dir` may be replaced.
    """
    if output_dir is not None:
        prepare_output(output_dir, overwrite)
    with whole_or_nothing(work_dir):
        evaluator.run()
        writer.write_tables(members, held_out=None)
    final = publish_output(work_dir)
    logger.info(f"{len(writer.written)} images predicted by {len(members)} member(s): {final}")
    show_uncertainty(summarise_uncertainty(writer.uncertainty()), *["per pixel"] * writer.has_classes)
    return final
