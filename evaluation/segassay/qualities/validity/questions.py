"""Questions of validity, one row of docs/measures.md each; `records` says which measures answer them."""

from segassay.qualities.scores.measure import Question
from segassay.qualities.validity import effect_questions

__all__ = ["QUESTIONS"]

FOUND = Question(
    text="Does a model find the objects and pixels that raters and references have?",
    formula=(
        "F1, precision, recall at IoU > t: 2 TP / (n<sub>a</sub> + n<sub>b</sub>), TP / n<sub>b</sub>, TP / "
        "n<sub>a</sub>; mean IoU of the best one-to-one assignment; Dice, IoU of pixels. Against C₋r for each r, "
        "then averaged over r; against a reference; against a truth"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when=(
        "against a consensus that contains the rater: do not compare it with C₋r; objects of a few pixels, where "
        "IoU > .5 is luck"
    ),
    functions=(
        "masks.overlaps.match_objects",
        "masks.overlaps.pixel_agreement",
    ),
    tests={
        "published": "masks/test_overlaps.py#test_reference_values_of_lab_wue1",
        "second implementation": "masks/test_overlaps.py#test_equals_the_slow_way",
        "drawn": "masks/test_overlaps.py#test_precision_is_of_the_prediction_and_recall_of_the_reference",
        "empty": "masks/test_overlaps.py#test_both_empty_agree",
        "symmetry": "masks/test_overlaps.py#test_swapping_swaps_precision_and_recall_only",
    },
)
TOLERATED = Question(
    text="Are outlines as close as raters draw them?",
    formula=(
        "`nsd_of_raters`: NSD at a tolerance from this dataset, the median over cases of the median rater’s ASSD to "
        "the other raters (each rater’s lower median), rounded up to 0, 1, 2 … 32 pixels of the smallest spacing; the "
        "note states it"
    ),
    source="Nikolov et al. 2021, doi:10.2196/26151, which takes a tolerance from raters; ASSD in place of a percentile",
    not_when=(
        "raters disagree about what is there, not where it ends: then their ASSD is large and everything is tolerated"
    ),
    functions=("masks.outlines.surface_shares", "masks.outlines.normalized_surface_dice"),
    tests={
        "published": "masks/test_outlines.py#test_published_value_of_a_square_and_a_cross",
        "second implementation": "qualities/validity/test_tolerance.py#test_shares_equal_nsd_at_each_tolerance",
        "drawn": "qualities/validity/test_tolerance.py#test_by_hand",
        "attack": "qualities/validity/test_tolerance.py#test_one_careless_rater_does_not_widen_the_tolerance",
        "empty": "qualities/validity/test_tolerance.py#test_nothing",
    },
)
OVERLAP = Question(
    text="How fast does that fall as more overlap is asked for?",
    formula="Average precision TP / (TP + FP + FN) at t = .50, .55 … .95 (`ap_50` …), and their mean (`ap`)",
    source=(
        "Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30; Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7"
    ),
    not_when=(
        "compared with the AP of detection with ranked scores, which is another measure; small objects, whose "
        "outlines decide above t = .7"
    ),
    functions=("qualities.validity.objects.object_measures",),
    tests={
        "second implementation": "qualities/validity/test_detection.py#"
        "test_equal_to_counting_true_and_false_positives_one_by_one",
        "drawn": "qualities/validity/test_detection.py#test_drawn",
        "empty": "qualities/validity/test_detection.py#test_empty",
        "symmetry": "qualities/validity/test_detection.py#test_symmetric_and_never_above_f1",
    },
)
RECOGNITION = Question(
    text="Is it recognition or outlines that a model lacks?",
    formula=(
        "PQ = SQ × RQ: SQ the mean IoU of matched pairs (undefined without any), RQ the F1 at IoU > .5; PQ is "
        "the F1 itself where TP = 0"
    ),
    source="Kirillov et al. 2019, doi:10.1109/CVPR.2019.00963",
    not_when="SQ alone: it is high for a model that finds only the easy objects",
    tests={
        "second implementation": "qualities/validity/test_detection.py#"
        "test_equal_to_counting_true_and_false_positives_one_by_one",
        "drawn": "qualities/validity/test_detection.py#test_drawn",
        "empty": "qualities/validity/test_detection.py#test_empty",
        "sq": "masks/test_overlaps.py#test_is_the_mean_iou_of_the_pairs_matched_at_each_threshold",
    },
)
COUNTS = Question(
    text="How many objects too many or too few?",
    formula=(
        "Count error n<sub>b</sub> − n<sub>a</sub>: signed, absolute, and relative to n<sub>a</sub> (0 where "
        "both are empty, undefined where only the reference is); means over cases"
    ),
    source="Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
    not_when=(
        "as the only measure: errors that cancel leave the count right; the relative one where some cases have "
        "hardly an object"
    ),
    tests={
        "drawn": "qualities/validity/test_detection.py#test_object_measures_by_hand",
        "missing": "qualities/validity/test_detection.py#test_a_missing_prediction_scores_nothing_and_has_no_count",
        "empty": "qualities/validity/test_detection.py#test_nothing_to_compare",
        "symmetry": "qualities/validity/test_detection.py#test_order_of_rows_does_not_matter",
    },
)
FUSED_OR_CUT = Question(
    text="Are neighbours fused, or single objects cut?",
    formula=(
        "Merges: objects of the annotator that cover more than half of two or more of the reference's; splits "
        "the other way round; per case"
    ),
    source="Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7",
    not_when="masks, not label images, in dense tissue: touching objects are merged before they are compared",
    functions=("masks.overlaps.match_overlaps",),
    tests={
        "drawn": "tables/test_case.py#test_merges_are_of_b_and_splits_of_a",
        "means": "qualities/validity/test_detection.py#test_means_over_cases_beside_the_raters",
        "symmetry": "masks/test_overlaps.py#test_a_merge_is_a_split_seen_from_the_other_side",
    },
)
TWO_TOOLS = Question(
    text="Is one tool better than another on the same images?",
    formula=(
        "`segassay.compare(evaluation, a, b)`: mean paired difference of F1, mean IoU and Dice against the same masks, "
        "interval over subjects, else cases; two-sided sign-flip test of clusters, exact up to 15; Holm over measures. "
        "`latex_table` writes it. Not in scores.csv"
    ),
    source="Fisher 1935, The Design of Experiments; Holm 1979, Scand. J. Stat. 6(2):65-70",
    not_when="the better of many tools is chosen first and then tested; folds, which share no image",
    functions=("qualities.scores.compare.compare", "statistics.permutation.sign_flip_p"),
    tests={
        "published": "statistics/test_permutation.py#test_darwins_plants",
        "second library": "statistics/test_permutation.py#test_equal_to_scipy",
        "drawn": "qualities/scores/test_compare.py#test_two_tools_by_hand",
        "attack": "qualities/scores/test_compare.py#test_one_subject_with_many_images_proves_nothing",
        "empty": "statistics/test_permutation.py#test_nothing",
    },
)
SUBGROUPS = Question(
    text="Does it work in every region, batch or scanner?",
    formula=(
        "`segassay.scores_by(evaluation, subgroups)`: F1, mean IoU and Dice of every rater and model within each "
        "subgroup of cases, with intervals over subjects, else cases. Not in scores.csv"
    ),
    source="Metrics Reloaded: Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
    not_when="subgroups of a handful of images; subgroups that were chosen after looking at the scores",
    functions=("qualities.scores.compare.scores_by",),
    tests={
        "second implementation": "qualities/scores/test_compare.py#test_subgroups_equal_evaluations_of_their_cases",
        "attack": "qualities/scores/test_compare.py#test_a_good_mean_hides_a_region_that_fails",
        "empty": "qualities/scores/test_compare.py#test_what_cannot_be_compared_is_an_error",
    },
)
FALSE_MARKS = Question(
    text="How much does it mark that is not there?",
    formula=(
        "`false_positives`: objects without a match at IoU > .5; `false_positive_px`: pixels that the reference lacks; "
        "per case. `froc_sensitivity`: share of objects found, mean over 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives "
        "per image, as the mean probability that an object needs falls, in steps of .05; of maps of probability. "
        "Between two points of the curve the lower one counts, because a threshold reaches it; CAMELYON16, LUNA16 and "
        "MONAI draw a line between them, which gives the same or a higher value"
    ),
    source="Bunch et al. 1978, doi:10.1117/12.956999; Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
    not_when="raters disagree about what is an object: then some false positives are another rater’s objects",
    functions=(
        "qualities.validity.objects.object_measures",
        "qualities.validity.free_response.mean_sensitivity_weighted",
        "masks.free_response.froc",
        "masks.free_response.mean_sensitivity",
    ),
    tests={
        "published": "masks/test_free_response.py#test_published_score_of_camelyon",
        "drawn": "masks/test_free_response.py#test_by_hand",
        "second implementation": "masks/test_free_response.py#test_equal_to_thresholds_one_by_one",
        "pixels": "qualities/validity/test_objects.py#test_equal_to_counting_in_masks",
        "rows": "qualities/validity/test_free_response.py#test_equal_to_the_curve_of_all_objects",
        "attack": "masks/test_free_response.py#test_scores_that_are_all_equal_have_one_point",
        "empty": "masks/test_free_response.py#test_nothing",
    },
)
BOUNDARIES = Question(
    text="Are boundaries and centre lines right, whatever the size?",
    formula=(
        "`boundary_iou`: IoU of the pixels of each mask within d (2 % of the diagonal) of its outline; `cl_dice`: "
        "harmonic mean of the shares of each centre line inside the other mask; `masd`: mean of the two directed mean "
        "surface distances; per case, against C₋r, raters, a reference or a truth. Centre lines are those of clDice’s "
        "authors for losses (minima and maxima); skeletons of skimage, which programs also take, give other values"
    ),
    source=(
        "Cheng et al. 2021, arXiv:2103.16562; Shit et al. 2021, arXiv:2003.07311; Beneš & Zitová 2015, "
        "doi:10.1111/jmi.12186"
    ),
    not_when="boundary IoU with d wider than the objects: it is their IoU; clDice for blobs, whose skeletons are noise",
    functions=(
        "masks.boundaries.boundary_iou",
        "masks.boundaries.centre_lines",
        "masks.boundaries.rim",
        "masks.boundaries.rim_width",
        "masks.boundaries.centreline_dice",
        "masks.boundaries.mean_average_surface_distance",
    ),
    tests={
        "published": "masks/test_boundaries.py#test_published_figures_of_metric_related_pitfalls",
        "drawn": "masks/test_boundaries.py#test_by_hand",
        "second implementation": "masks/test_boundaries.py#test_equal_to_erosions",
        "centre lines": "masks/test_boundaries.py#test_centre_lines_are_those_of_the_published_algorithm",
        "rows": "qualities/validity/test_boundaries.py#test_rows_equal_the_functions_of_two_masks",
        "attack": "masks/test_boundaries.py#test_a_thick_or_broken_vessel",
        "empty": "masks/test_boundaries.py#test_empty",
    },
)
AMOUNTS = Question(
    text="Does it measure the same amounts as the raters, image by image?",
    formula=(
        "Counts, areas and intensities as measured, not divided by the control, minus those of the median rater of "
        "each case: mean `amount_bias_…`, limits of agreement `amount_limit_low_…`, `amount_limit_high_…` (bias ± "
        "1.96 sd), `amount_slope_…` on the mean of both, and Lin’s `amount_ccc_…`; intervals over clusters"
    ),
    source="Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8; Lin 1989, doi:10.2307/2532051",
    not_when=(
        "amounts differ by orders of magnitude between images: then the largest decide; a slope alone: the median "
        "varies less than one rater, which looks like a proportional bias"
    ),
    functions=("statistics.methods.bland_altman", "statistics.methods.lins_ccc"),
    tests={
        "published": "qualities/validity/test_amounts.py#test_published_limits_of_two_meters",
        "second implementation": "qualities/validity/test_amounts.py#test_equal_to_the_plain_estimators",
        "attack": "qualities/validity/test_amounts.py#test_right_totals_from_swapped_images_do_not_agree",
        "empty": "qualities/validity/test_amounts.py#test_without_a_model_or_raters_there_is_nothing",
    },
)
EQUAL_AMOUNTS = Question(
    text="Are its amounts equivalent to those of the raters, whatever the experiment?",
    formula=(
        "`amount_ratio_…`: mean amount / that of the median rater, with Fieller’s 90 % interval over subjects, else "
        "cases; equivalent if two one-sided t tests place the ratio within 1 ± `equivalence_margin`; this needs 10 "
        "units or more, and more than 25 × skewness²"
    ),
    source="Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x; Sasabuchi 1980, doi:10.1093/biomet/67.2.429",
    not_when="a margin chosen after looking; on its own: errors that cancel over images leave the ratio right",
    functions=("statistics.equivalence.ratio_equivalence", "statistics.equivalence.gap_of"),
    tests={
        "drawn": "statistics/test_equivalence.py#test_by_hand",
        "second implementation": "statistics/test_equivalence.py#test_equal_to_two_t_tests_and_their_roots",
        "attack": "qualities/validity/test_amounts.py#test_right_totals_from_swapped_images_do_not_agree",
        "skewed": "statistics/test_equivalence.py#test_ratios_at_the_margin_are_hardly_ever_called_equivalent",
        "empty": "statistics/test_equivalence.py#test_too_few_or_nothing_measured",
    },
)
SIZES = Question(
    text="Which sizes of objects are missed?",
    formula=(
        "Recall by size: objects found / objects there, in classes from min_object_size × 1, 2, 4 …; all cases, "
        "and for C₋r all r, together"
    ),
    source="Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z",
    not_when="classes with a handful of objects; precision by size, which it says nothing about",
    tests={
        "drawn": "qualities/validity/test_detection.py#test_objects_found_by_objects_there",
        "sum": "qualities/validity/test_detection.py#test_classes_together_are_the_recall_of_all_objects",
        "empty": "qualities/validity/test_detection.py#test_nothing_there",
        "lab": "tables/test_build.py#test_recall_by_size_of_lab_wue1_adds_up_to_the_agreement",
    },
)
RANGE_OF_RATERS = Question(
    text="Is the model as good as the worst rater, or better than the best?",
    formula=(
        "Range of the raters: mean over r of score(model, C₋r) against the lowest and the highest score(r, C₋r), "
        "same cases; paired differences to both raters, whose intervals allow for the choice of these two among all"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when=("two or three raters: a range of so few says little; many raters: intervals grow with their number"),
    functions=("qualities.validity.ceiling.from_extremes",),
    tests={
        "drawn": "qualities/validity/test_detection.py#test_differences_to_the_worst_and_the_best_rater",
        "paired": "qualities/validity/test_detection.py#test_the_interval_is_paired_over_cases",
        "attack": (
            "qualities/validity/test_detection.py"
            "#test_a_model_like_the_raters_is_hardly_ever_above_the_worst_or_below_the_best"
        ),
        "gaps": "qualities/validity/test_detection.py#test_a_rater_who_lacks_cases_is_compared_with_its_own_mean",
        "empty": "qualities/validity/test_detection.py#test_without_models_or_people_there_are_no_rows",
    },
)
SHARE_OF_RATERS = Question(
    text="How much of what raters reach does the model reach?",
    formula=("Ceiling-normalised: mean over r of score(model, C₋r) / mean over r of score(r, C₋r); jackknife interval"),
    source="as the noise ceiling of Nili et al. 2014, doi:10.1371/journal.pcbi.1003553",
    not_when=(
        "raters hardly agree: a ratio of two low scores; it can be above 1, since a model can be nearer "
        "to all raters than each rater is to the others"
    ),
    tests={
        "second implementation": "qualities/validity/test_detection.py#test_a_model_by_the_humans_own_score",
        "symmetry": "qualities/validity/test_detection.py#test_a_model_that_equals_the_raters_has_one",
        "empty": "qualities/validity/test_detection.py#test_without_models_or_people_there_are_no_rows",
    },
)
BEST_STRATEGY = Question(
    text="Which strategy agrees best with raters?",
    formula=(
        "`f1_leave_one_out` and its difference to the raters, `f1_against_truth`, `f1_against_<reference>` "
        "(strategies.csv; likewise mean IoU and Dice): mean over the annotators of one strategy, all of them "
        "counting alike, of their means over cases"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when=(
        "against a reference that contains the raters, which is the models' own training target and is marked as "
        "such: do not compare it with raters"
    ),
    functions=("judgement.strategy_scores.scores_of_groups",),
    tests={
        "lab": "judgement/test_strategies.py#test_on_lab_wue1_scores_are_as_published",
        "drawn": "judgement/test_strategy_scores.py#test_differences_are_paired_over_the_cases_that_the_model_has",
        "second implementation": "judgement/test_strategies.py#"
        "test_numbers_are_those_of_single_annotators_and_of_seeds",
        "empty": "judgement/test_strategy_scores.py#test_scores_of_nobody",
        "symmetry": "judgement/test_strategies.py#test_the_order_of_annotations_and_of_pairs_changes_no_number",
        "planted": "judgement/test_strategies.py#test_what_was_planted_is_found",
    },
)
QUESTIONS = tuple(
    question
    for question in (*list(globals().values()), *vars(effect_questions).values())
    if isinstance(question, Question)
)
"""All of the above, and then those about effects, in this order."""
