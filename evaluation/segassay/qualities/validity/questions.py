"""Questions of validity, one row of docs/measures.md each; `records` says which measures answer them."""

from segassay.qualities.scores.measure import Question

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
    not_when="SQ alone: a model that finds the easy objects only has a high one",
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
        "per image, as the mean probability that an object needs falls, in steps of .05; of maps of probability. Of "
        "two points of the curve the lower one counts between them, which a threshold reaches; CAMELYON16, LUNA16 and "
        "MONAI draw a line, and get as much or more"
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
        "cases; equivalent if two one-sided t tests place the ratio within 1 ± `equivalence_margin`, of 10 units or "
        "more, and of more than 25 skewness²"
    ),
    source="Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x; Sasabuchi 1980, doi:10.1093/biomet/67.2.429",
    not_when="a margin chosen after looking; alone: errors that cancel over images leave the ratio right",
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
        "raters hardly agree: a ratio of two low scores; it can be above 1, for a model can be nearer to all "
        "than each is to the others"
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
GROUPS = Question(
    text="Do the groups of the experiment differ at all?",
    formula=("Kruskal–Wallis: H with tie correction; ε² = H / (n − 1), η²<sub>H</sub> = (H − k + 1) / (n − k)"),
    source="Kruskal & Wallis 1952, doi:10.1080/01621459.1952.10483441",
    not_when="images as units where animals gave several: name the subjects",
    functions=(
        "statistics.groups.kruskal_wallis",
        "tables.effects.effects",
        "tables.normalise.normalise",
    ),
    tests={
        "published": "statistics/test_groups.py#test_kruskal_wallis_of_hollander_and_wolfe",
        "second library": "statistics/test_groups.py#test_kruskal_wallis_equals_scipy",
        "empty": "statistics/test_groups.py#test_groups_without_values_are_undefined_and_infinity_is_refused",
        "lab": "tables/test_effects.py#test_effects_of_lab_wue1",
    },
)
PAIRS_OF_GROUPS = Question(
    text="Which groups differ, and how clearly?",
    formula=(
        "Mann–Whitney: U, asymptotic and exact p; η² = Z² / N without tie correction; rank-biserial 2U / "
        "(n<sub>1</sub> n<sub>2</sub>) − 1; Holm over the pairs"
    ),
    source="Mann & Whitney 1947, doi:10.1214/aoms/1177730491; Holm 1979, Scand. J. Stat. 6(2):65–70",
    not_when="so few units that no order of them reaches p < .05 (`not_testable`)",
    functions=(
        "statistics.groups.mann_whitney",
        "statistics.groups.holm",
        "statistics.groups.smallest_attainable_p",
    ),
    tests={
        "published": "statistics/test_groups.py#test_mann_whitney_of_hollander_and_wolfe",
        "table 1": "statistics/test_groups.py#test_conventions_of_table_1_of_segebarth_2020",
        "second library": "statistics/test_groups.py#test_mann_whitney_equals_scipy_and_mirrors",
        "Holm": "statistics/test_groups.py#test_holm_equals_statsmodels",
        "empty": "statistics/test_groups.py#test_groups_without_values_are_undefined_and_infinity_is_refused",
    },
)
UNEQUAL_SPREAD = Question(
    text="Is it a difference, or only unequal spread?",
    formula=(
        "`p_unequal`: Brunner–Munzel; where group sizes differ and one is below 6, the larger of it and Welch's; Holm "
        "over the pairs; beside the mixed model Welch's of subject means. A conclusion is `higher` or `lower` if both "
        "p are below .05"
    ),
    source="Brunner & Munzel 2000, Biom. J. 42(1):17–25; Welch 1947, doi:10.1093/biomet/34.1-2.28",
    not_when="as a test of its own: below 10 units per group Brunner–Munzel alone rejects too often",
    functions=(
        "statistics.groups.unequal_spread_p",
        "statistics.groups.brunner_munzel",
        "statistics.groups.welch",
    ),
    tests={
        "published": "statistics/test_groups.py#test_published_tests_of_unequal_spread",
        "second library": "statistics/test_groups.py#test_tests_of_unequal_spread_equal_scipy_and_mirror",
        "level": "statistics/test_groups.py#test_unequal_spread_is_no_difference",
        "empty": "statistics/test_groups.py#test_groups_without_values_are_undefined_and_infinity_is_refused",
    },
)
SHIFT = Question(
    text="By how much, in multiples of the control mean?",
    formula=("Hodges–Lehmann shift: median of all differences between the groups, interval from the distribution of U"),
    source="Hodges & Lehmann 1963, doi:10.1214/aoms/1177704172",
    not_when="groups whose distributions differ in more than their place",
    functions=("statistics.groups.hodges_lehmann",),
    tests={
        "consistency": "statistics/test_groups.py#test_shift_interval_holds_what_the_test_does_not_reject",
        "drawn": "statistics/test_groups.py#test_no_interval_of_95_percent_with_3_against_3",
        "empty": "statistics/test_groups.py#test_groups_without_values_are_undefined_and_infinity_is_refused",
    },
)
ANIMALS = Question(
    text="And if animals are taken into account?",
    formula=(
        "Mixed model: group means with a random effect of subject, REML, t on subjects − groups degrees of "
        "freedom; together with tests on subject means"
    ),
    source="Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545",
    not_when="counts near 0, which are far from normal: then subject means",
    functions=("statistics.groups.mixed_model",),
    tests={
        "boundary": "statistics/test_groups.py#test_mixed_model_reaches_the_boundary",
        "second library": "statistics/test_groups.py#test_mixed_model_equals_statsmodels",
        "symmetry": "statistics/test_groups.py#test_balanced_mixed_model_is_the_t_test_on_subject_means",
        "empty": "statistics/test_groups.py#test_mixed_model_is_undefined_where_there_is_nothing_to_estimate",
    },
)
PREREQUISITES = Question(
    text="Would parametric tests have been allowed, and is there an outlier?",
    formula="Shapiro–Wilk, Levene, Grubbs (two-sided .05, n − 1); reported, nothing removed",
    source="Grubbs 1969, doi:10.1080/00401706.1969.10490657",
    not_when="as a reason to leave out a case",
    functions=(
        "tables.prerequisites.prerequisites",
        "statistics.groups.grubbs",
    ),
    tests={
        "published": "statistics/test_groups.py#test_grubbs_of_nist",
        "level": "statistics/test_groups.py#test_grubbs_errs_as_often_as_it_says",
        "drawn": "tables/test_effects.py#test_prerequisites_name_the_outlier_and_remove_nothing",
        "empty": "statistics/test_groups.py#test_grubbs_is_undefined_below_three_values_and_without_spread",
    },
)
VARIATION = Question(
    text="Does the effect depend on who of one strategy annotated?",
    formula=(
        "Variation per effect: sd of η² over the annotators of one strategy, effect by effect; χ² interval on "
        "their number"
    ),
    source="Segebarth et al. 2020, figure 4F, doi:10.7554/eLife.59780",
    not_when="below 4 annotators (not judged); raters are no random sample, so their interval is a hint",
    functions=("qualities.validity.effects.strategies",),
    tests={
        "second library": "qualities/validity/test_effects.py#test_variation_per_effect_of_the_raters_of_lab_wue1",
        "drawn": "qualities/validity/test_effects.py#test_sd_over_the_annotators_of_a_strategy",
        "empty": "qualities/validity/test_effects.py#test_no_two_annotators_alike",
        "symmetry": "qualities/validity/test_effects.py#test_order_of_annotators_does_not_matter",
    },
)
VOTING = Question(
    text="How do they vote, and who deviates from the majority?",
    formula=(
        "Votes per verdict; variation per model: number of effects in which an annotator's verdict is not that "
        "of most of its strategy"
    ),
    source="Segebarth et al. 2020, figure 4, doi:10.7554/eLife.59780",
    not_when="effects that all find or none: they cannot tell strategies apart",
    tests={
        "lab": "qualities/validity/test_effects.py#test_votes_of_the_raters_of_lab_wue1",
        "drawn": "qualities/validity/test_effects.py#test_deviations_from_the_majority",
        "sum": "qualities/validity/test_effects.py#test_everybody_votes_once_per_effect",
        "empty": "qualities/validity/test_effects.py#test_nobody_votes",
        "symmetry": "qualities/validity/test_effects.py#test_order_of_annotators_does_not_matter",
    },
)
EFFECTS = Question(
    text="How large are the effects that a strategy finds?",
    formula=(
        "Mean η² over the annotators of one strategy (and size of ensembles), effect by effect, with its sd; "
        "interval by the noncentral F over subjects, else cases"
    ),
    source=(
        "Box 1954, doi:10.1214/aoms/1177728786, for the interval; Segebarth et al. 2020, figure 4, "
        "doi:10.7554/eLife.59780"
    ),
    not_when=(
        "few units, or groups that do not overlap: with 5 a group such an interval holds the effect in 89 %; no "
        "effect: η² is never below 0, and its interval then often excludes 0; read the interval of the shift"
    ),
    tests={
        "published": "judgement/test_strategy_effects.py#test_published",
        "lab": "judgement/test_strategies.py#test_on_lab_wue1_effects_are_as_published",
        "drawn": "judgement/test_strategy_effects.py#test_by_hand",
        "second implementation": "judgement/test_strategy_effects.py#"
        "test_effects_are_the_means_of_those_of_the_experiment",
        "empty": "judgement/test_strategy_effects.py#test_empty",
        "symmetry": "judgement/test_strategy_effects.py#test_order_of_annotators_and_of_units_does_not_matter",
    },
)
MAJORITY = Question(
    text="Does a strategy lead to the conclusion of most raters?",
    formula=(
        "Share of its annotators whose verdict on an effect is that of most raters; a rater is compared with the "
        "other raters"
    ),
    source="Segebarth et al. 2020, figure 4, doi:10.7554/eLife.59780",
    not_when="two raters, or as many votes on two sides: there is no majority (undefined)",
    tests={
        "lab": "judgement/test_strategies.py#test_on_lab_wue1_effects_are_as_published",
        "drawn": "judgement/test_strategy_effects.py#test_a_rater_is_held_against_the_others",
        "empty": "judgement/test_strategy_effects.py#test_no_majority",
        "symmetry": "judgement/test_strategy_effects.py#test_order_of_raters_does_not_matter",
    },
)
CONCLUSIONS = Question(
    text="Does the model lead to the conclusions of the raters?",
    formula=(
        "Same verdict: share of pairs (effect, rater) with one verdict; sign disagreement: share with opposite "
        "directions; compared with what raters reach among each other"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when="without looking at effect sizes: a verdict changes at p = .05",
    tests={
        "drawn": "qualities/validity/test_effects.py#test_shares_over_effects_and_raters",
        "signs": "qualities/validity/test_effects.py#test_signs",
        "empty": "qualities/validity/test_effects.py#test_nobody_to_compare_with",
        "symmetry": "qualities/validity/test_effects.py#test_order_of_annotators_does_not_matter",
    },
)
EFFECT_SIZE = Question(
    text="Does it find smaller or larger effects than the raters?",
    formula=(
        "Ratio of effect sizes: η² of the annotator / mean η² of the (other) raters, same units; jackknife interval "
        "over subjects, else cases"
    ),
    source="Miller 1974, doi:10.1093/biomet/61.1.1, for the interval",
    not_when=(
        "where raters find no effect: a ratio of two small numbers; groups that do not overlap at all, where η² "
        "can grow no more"
    ),
    tests={
        "published": "qualities/validity/test_effects.py#test_published_effect_sizes",
        "second implementation": "qualities/validity/test_effects.py#"
        "test_weights_count_values_as_often_as_they_were_drawn",
        "drawn": "qualities/validity/test_effects.py#test_a_models_effect_by_the_mean_of_the_raters",
        "empty": "qualities/validity/test_effects.py#test_without_raters_there_is_nothing_to_divide_by",
        "symmetry": "qualities/validity/test_effects.py#test_any_increasing_measurement_has_the_same_ratio_of_one",
        "subjects": "qualities/validity/test_effects.py#test_subjects_are_the_units_and_repeated_cases_change_nothing",
    },
)
WRONG_SIGNS = Question(
    text="Of what it finds significant, how much has the wrong sign or is exaggerated?",
    formula=(
        "Type S: share of significant effects with the wrong sign; type M: mean of |shift| / |true shift| "
        "over these; the true shift is that of a known truth in the same images"
    ),
    source="Gelman & Carlin 2014, doi:10.1177/1745691614551642",
    not_when="no truth is known: then there is no row; few effects",
    tests={
        "published": "qualities/validity/test_effects.py#test_as_in_the_article_by_simulation",
        "drawn": "qualities/validity/test_effects.py#test_wrong_signs_and_exaggeration_of_what_is_significant",
        "empty": "qualities/validity/test_effects.py#test_nothing_significant_and_no_truth",
    },
)
EQUIVALENCE = Question(
    text="Are its measurements the same, for all that matters?",
    formula=(
        "Equivalence: two one-sided t tests of the mean paired difference in normalised measurements, outside "
        "the control group, within a margin fixed beforehand (`equivalence_margin`); not relied on below 10 units, "
        "or n ≤ 25 skewness²"
    ),
    source="Schuirmann 1987, doi:10.1007/BF01068419; Cochran 1977, Sampling Techniques, 2.15",
    not_when=(
        "a margin chosen after looking, or from limits of agreement; a control mean of few objects, which is "
        "taken as given"
    ),
    functions=("statistics.methods.equivalence_test",),
    tests={
        "second library": "qualities/validity/test_effects.py#test_equal_to_statsmodels",
        "level": "statistics/test_methods.py#test_differences_at_the_margin_are_hardly_ever_called_equivalent",
        "drawn": "qualities/validity/test_effects.py#"
        "test_the_interval_lies_within_the_margin_where_they_are_equivalent",
        "empty": "qualities/validity/test_effects.py#test_nobody_to_compare_with",
        "symmetry": "qualities/validity/test_effects.py#test_swapping_model_and_reference_turns_the_sign",
    },
)
OTHER_CHOICES = Question(
    text="Would other choices have led to another conclusion?",
    formula=(
        "Specification curve: effects of (each rater or consensus) × seed × count or density × units × minimum "
        "size × threshold, sorted; shares that are significant, and that have the sign of the median"
    ),
    source="Simonsohn et al. 2020, doi:10.1038/s41562-020-0912-z",
    not_when="as a test: specifications share their images; choices that no one would defend dilute it",
    functions=(
        "qualities.validity.specification.specifications",
        "qualities.validity.specification.specification_curve",
        "qualities.validity.specification.specification_table",
        "report.charts.specification.specification_figure",
    ),
    tests={
        "drawn": "qualities/validity/test_specification.py#test_shares_by_hand",
        "recount": "qualities/validity/test_specification.py#"
        "test_objects_of_each_size_are_dropped_where_they_are_too_small",
        "lab": "qualities/validity/test_specification.py#test_specifications_of_lab_wue1",
        "empty": "qualities/validity/test_specification.py#test_nothing",
        "symmetry": "qualities/validity/test_specification.py#test_turning_all_effects_around_keeps_the_shares",
    },
)

QUESTIONS = tuple(question for question in list(globals().values()) if isinstance(question, Question))
"""All of the above, in this order."""
