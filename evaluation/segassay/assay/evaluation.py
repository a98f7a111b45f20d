"""`Evaluation`: the result of `evaluate`, with its tables, verdicts, figures and report."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from segassay.report.plots import Plots

from segassay.assay.frames import as_written, frames_of
from segassay.assay.notebook import as_html, as_lines
from segassay.assay.write import class_folders, write_results
from segassay.data.dataset import Dataset
from segassay.data.folders import data_places
from segassay.io.outputs import check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay.judgement.results import Results
from segassay.judgement.summary import judged_in

__all__ = ["Evaluation"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Results):
    """The result of an evaluation: tables as DataFrames, figures as matplotlib axes.

    `segassay.tables.build.Tables` and `segassay.judgement.results.Results` describe the tables; `frames` has all of
    them by name.

    Attributes:
        dataset: Images, areas and settings, of which the gallery is made; None if there are only masks.
        kept_gallery: The gallery that was written, if the evaluation was read from its folder.
        classes: The evaluation of each class, if masks have several; this one is of all classes together.

    Example:
        >>> import numpy as np
        >>> from segassay import evaluate
        >>> mask = np.zeros((32, 32), dtype=bool)
        >>> mask[4:12, 4:12] = True
        >>> print(evaluate(masks={"anna": {"1": mask}, "ben": {"1": mask}, "truth": {"1": mask}}))
        masks: 1 case, 3 annotators (1 truth, 2 raters)
        raters: cannot be judged: fewer than 10 images in which something is marked (1)
        objectivity: cannot be judged: no model or ensemble among the annotators
        reliability: cannot be judged: no model or ensemble among the annotators
        validity: cannot be judged: no model or ensemble among the annotators
    """

    dataset: Dataset | None = None
    kept_gallery: dict[str, Any] | None = None
    classes: dict[str, "Evaluation"] = field(default_factory=dict)

    @property
    def agreement(self) -> pd.DataFrame:
        """Case × pair of annotators × IoU threshold: F1, mean IoU, Dice and more."""
        return self.tables.agreement

    @property
    def distances(self) -> pd.DataFrame:
        """Case × pair of annotators: HD95, ASSD, NSD and the shift of outlines."""
        return self.tables.distances

    @property
    def leave_one_out(self) -> pd.DataFrame:
        """Like `agreement`, but of each annotator with the consensus of all raters except one."""
        return self.tables.leave_one_out

    @property
    def counts(self) -> pd.DataFrame:
        """Case × annotator: objects, area, intensity, density."""
        return self.tables.counts

    @property
    def raters(self) -> pd.DataFrame:
        """One row per rater: sensitivity, specificity, and how much the rater marks compared with the others."""
        return self.tables.raters

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Every table, by the name of its file in `tables/`."""
        return frames_of(self)

    @property
    def verdicts(self) -> dict[str, str]:
        """Quality, and first `raters` if there is no model, -> verdict; `summary` has the sentences behind them."""
        return {name: self.summary[name]["verdict"] for name in judged_in(self.summary)}

    @property
    def plot(self) -> "Plots":
        """Figures as matplotlib axes, such as `evaluation.plot.agreement()`; `plot.available` lists them."""
        from segassay.report.plots import Plots

        return Plots(self)

    @cached_property
    def gallery(self) -> dict[str, Any]:
        """Pictures of the images with most disagreement, as `segassay.report.gallery.make` describes them."""
        from segassay.report.gallery.make import make_gallery

        if self.kept_gallery is not None:
            return self.kept_gallery
        return make_gallery(self, self.dataset)

    def report(self, path: str | Path) -> Path:
        """Write only the report: one HTML file that needs no other file.

        Args:
            path: File to write, in a folder that exists; an older file is replaced.

        Returns:
            Path of the file.
        """
        from segassay.report.page import write_report
        from segassay.report.plots import encoded_figures

        written = as_written(self)
        write_report(Path(path), written, encoded_figures(written), gallery=self.gallery, links=False)
        return Path(path)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write tables, figures, gallery, summary and report, as `evaluate` does with `out`.

        Args:
            folder: Folder to write, completely or not at all.
            overwrite: Replace the folder with everything in it.

        Returns:
            Path of the folder.

        Raises:
            UsageError: If the folder exists or cannot be written, or would replace the dataset or lie among its files.
        """
        options = ("folder", "overwrite=True")
        final = check_output(folder, overwrite, options=options)
        if self.dataset is not None:
            own = self.dataset.folder
            refuse_inputs(final, [own], folders=data_places(own), used="evaluated", option=options[0])
        work_dir = prepare_output(final, overwrite, options=options)
        with whole_or_nothing(work_dir):
            write_results(work_dir, self, gallery=self.gallery)
            for name, place in class_folders(work_dir, self.classes).items():
                place.mkdir(parents=True)
                write_results(place, self.classes[name], gallery=self.classes[name].gallery)
            return publish_output(work_dir)

    def __str__(self) -> str:
        """The annotators and the verdicts."""
        return "\n".join(as_lines(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self)
