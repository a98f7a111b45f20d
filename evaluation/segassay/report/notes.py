"""Notes about tables in words."""

from segassay.tables.compared import MIN_OTHERS
from segassay.tables.notes import About, Note

__all__ = ["in_words"]

_WORDS: dict[About, str] = {
    "later_sessions": (
        "{n} masks are later sessions of a rater; the tables contain the first session, and `repeats` how well the "
        "sessions agree"
    ),
    "not_annotated": "{n} masks of raters do not exist and count as not annotated",
    "training_unknown": "{annotator}: it is unknown whether it was trained on the cases it is scored on",
    "pixel_size_unknown": (
        "the size of a pixel is unknown in {n} of {n_all} cases, so areas and volumes are in pixels: give `spacing_um`"
    ),
    "endpoints_not_used": "{n} endpoints of {annotator} are not used: there are no masks of {annotator}",
    "no_dataset": (
        "no dataset was given, so only pixels and objects are measured, no intensities; the region is the whole "
        "image, objects of every size count, and distances are in pixels"
    ),
    "undefined_distances": (
        "{n} of {n_all} distances between two masks (HD95, ASSD) are undefined: one of the two is empty or missing; "
        "NSD is 0 there"
    ),
    "few_raters": (
        f"{{n}} of {{n_all}} cases have fewer than {MIN_OTHERS + 1} raters: the consensus of the other raters would "
        f"rest on fewer than {MIN_OTHERS}, so leave_one_out has no rows for them, and pairwise agreement is used "
        "instead"
    ),
    "maps_without_reference": (
        "{n} of {n_all} cases have maps of probability or uncertainty, but no truth, rater or consensus to compare "
        "them with"
    ),
    "contains_left_out_rater": (
        "{annotator} is a consensus that contains the left-out rater, so it has no rows in leave_one_out"
    ),
    "is_a_rater": (
        "{annotator} is the mask of {other} in {n} of {n_all} images: as a reference it favours this rater, and scores "
        "against it are agreement with one rater"
    ),
    "is_the_consensus": (
        "{annotator} is the raters' own consensus ({other}) in {n} of {n_all} images: scores of these raters against "
        "it contain agreement with themselves"
    ),
    "rater_is_consensus": (
        "{annotator} is the consensus ({other}) of the other raters in {n} of {n_all} images, which is no independent "
        "mask; if it is a consensus, name it as `reference` in dataset.yaml"
    ),
    "missing_predictions": "{annotator}: {n} missing predictions score 0",
    "some_cases": "{annotator} covers {n} of {n_all} cases",
    "label_images": "{annotator}: {n} of {n_all} files are label images, where each number is one object",
    "same_numbers": "{annotator}: every label image holds the same numbers; each is read as one object, not as a class",
    "classes_overlap": (
        "classes overlap, as an organ and its tumour do, so a pixel has no single class: each class is evaluated, "
        "but there is no confusion of classes and no agreement on them"
    ),
    "stored_tables": (
        "of more than {n_all} images ({n} here), tables with several rows for each are folders of Parquet files "
        "instead of CSV files"
    ),
    "simulated": "these tables are simulated",
}


def in_words(note: Note) -> str:
    """The sentence of a note.

    Example:
        >>> in_words(Note("some_cases", "anna", n=1, n_all=2))
        'anna covers 1 of 2 cases'
    """
    return _WORDS[note.about].format(annotator=note.annotator, n=note.n, n_all=note.n_all, other=note.other)
