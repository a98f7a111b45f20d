"""Notes about tables: every record has its sentence."""

from typing import get_args

import pytest

from segassay.report.notes import in_words
from segassay.tables.notes import About, Note

SENTENCES = {
    Note("later_sessions", n=2): "2 masks are later sessions of a rater; the tables contain the first session, and "
    "`repeats` how well the sessions agree",
    Note("not_annotated", n=1): "1 masks of raters do not exist and count as not annotated",
    Note("training_unknown", "unet"): "unet: it is unknown whether it was trained on the cases it is scored on",
    Note(
        "pixel_size_unknown", n=1, n_all=4
    ): "the size of a pixel is unknown in 1 of 4 cases, so areas and volumes are in pixels: give `spacing_um`",
    Note("endpoints_not_used", "eva", n=2): "2 endpoints of eva are not used: there are no masks of eva",
    Note("no_dataset"): "no dataset was given, so only pixels and objects are measured, no intensities; the region is "
    "the whole image, objects of every size count, and distances are in pixels",
    Note("undefined_distances", n=2, n_all=3): "2 of 3 distances between two masks (HD95, ASSD) are undefined: one of "
    "the two is empty or missing; NSD is 0 there",
    Note("few_raters", n=1, n_all=4): "1 of 4 cases have fewer than 4 raters: the consensus of the other raters would "
    "rest on fewer than 3, so leave_one_out has no rows for them, and pairwise agreement is used instead",
    Note("maps_without_reference", n=1, n_all=4): "1 of 4 cases have maps of probability or uncertainty, but no truth, "
    "rater or consensus to compare them with",
    Note("contains_left_out_rater", "gt"): "gt is a consensus that contains the left-out rater, so it has no rows in "
    "leave_one_out",
    Note("is_a_rater", "gt", n=3, n_all=4, other="anna"): "gt is the mask of anna in 3 of 4 images: as a reference it "
    "favours this rater, and scores against it are agreement with one rater",
    Note("is_the_consensus", "gt", n=3, n_all=4, other="staple"): "gt is the raters' own consensus (staple) in 3 of 4 "
    "images: scores of these raters against it contain agreement with themselves",
    Note("rater_is_consensus", "eva", n=3, n_all=4, other="majority"): "eva is the consensus (majority) of the other "
    "raters in 3 of 4 images, which is no independent mask; if it is a consensus, name it as `reference` in "
    "dataset.yaml",
    Note("missing_predictions", "unet", n=3): "unet: 3 missing predictions score 0",
    Note("some_cases", "{eva}", n=1, n_all=2): "{eva} covers 1 of 2 cases",
    Note("label_images", "anna", n=1, n_all=2): "anna: 1 of 2 files are label images, where each number is one object",
    Note("same_numbers", "anna"): "anna: every label image holds the same numbers; each is read as one object, not as "
    "a class",
    Note(
        "classes_overlap"
    ): "classes overlap, as an organ and its tumour do, so a pixel has no single class: each class is "
    "evaluated, but there is no confusion of classes and no agreement on them",
    Note("stored_tables", n=10_001, n_all=10_000): "of more than 10000 images (10001 here), tables with several rows "
    "for each are folders of Parquet files instead of CSV files",
    Note("simulated"): "these tables are simulated",
}


@pytest.mark.parametrize("note", SENTENCES, ids=lambda note: note.about)
def test_a_note_in_words(note):
    assert in_words(note) == SENTENCES[note]


def test_every_kind_of_note_is_worded():
    assert {note.about for note in SENTENCES} == set(get_args(About))
