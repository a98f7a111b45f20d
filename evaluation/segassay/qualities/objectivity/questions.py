"""Questions of objectivity, one row of docs/measures.md each; `records` says which measures answer them."""

from segassay.qualities.scores.measure import Question

__all__ = ["QUESTIONS"]

AGREEMENT = Question(
    text="How well do raters agree?",
    formula=(
        "`f1`, `mean_iou`, `dice`: mean over pairs, then over cases; each rater against the consensus of the "
        "others (`_leave_one_out`), or with the others (`_pairwise`) where fewer than 3 remain"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when="you want to know who differs, and how: these are means over all kinds of disagreement",
    tests={
        "published": "assay/test_run.py#test_agreement_with_the_reference_is_as_published",
        "drawn": "qualities/scores/test_table.py#test_agreement_between_raters_is_the_mean_over_pairs_then_cases",
        "few raters": "qualities/scores/test_table.py#test_with_few_raters_each_is_scored_with_the_others_and_says_so",
        "empty": "qualities/scores/test_table.py#test_nothing_to_score_gives_a_table_without_rows",
        "clusters": "qualities/scores/test_table.py#test_cases_of_one_subject_are_drawn_together",
    },
)
OUTLINES = Question(
    text="How far are the outlines apart?",
    formula=(
        "HD95, the larger of the two directed 95th percentiles; ASSD, mean over both surfaces; NSD, share of "
        "both surfaces within one pixel. Against C₋r, with every rater in turn, with references and a truth"
    ),
    source="Huttenlocher et al. 1993, doi:10.1109/34.232073; Nikolov et al. 2021, doi:10.2196/26151",
    not_when=(
        "many small objects: one that is missed decides HD95; read `bound` where an empty mask leaves it undefined"
    ),
    functions=(
        "masks.outlines.hausdorff_distance",
        "masks.outlines.average_surface_distance",
        "masks.outlines.normalized_surface_dice",
    ),
    tests={
        "published": "masks/test_outlines.py#test_published_value_of_a_square_and_a_cross",
        "second library": "masks/test_outlines.py#test_equals_simpleitk",
        "empty": "masks/test_outlines.py#test_one_empty_is_undefined_not_perfect",
        "against C₋r": "qualities/scores/test_table.py#"
        "test_distances_to_the_consensus_of_the_others_are_averaged_over_raters_beside_their_own",
        "symmetry": "masks/test_outlines.py#test_symmetric_and_scales_with_the_spacing",
    },
)
BIAS = Question(
    text="Who counts more than the others, and can that be chance?",
    formula=(
        "`log_count_ratio`, `log_area_ratio`: mean of log((n<sub>r</sub> + .5) / (mean of the others + .5)); "
        "`bias_test_count`, `bias_test_area`: p of each rater's mean difference from the others by one-sample t, "
        "adjusted by Holm, and the smallest of these; Friedman's p in its note"
    ),
    source="Iman & Davenport 1980, doi:10.1080/03610928008827904; Holm 1979, Scand. J. Stat. 6(2):65–70",
    not_when=(
        "you want to know which rater is right: a bias is against the other raters, and each of them is in the "
        "others' comparison"
    ),
    tests={
        "second library": "statistics/test_raters.py#test_bias_equal_to_scipy_and_statsmodels",
        "published": "statistics/test_raters.py#test_published_friedman_tests",
        "drawn": "qualities/objectivity/test_measurements.py#test_bias_tests_are_those_of_the_estimator",
        "subjects": "qualities/objectivity/test_measurements.py#test_bias_is_tested_over_subjects",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
    },
)
WIDTH = Question(
    text="Does a rater draw outlines wider than the others?",
    formula=(
        "`boundary_shift_px`, `boundary_shift_um`: signed distance of the rater's outline from the others', on "
        "objects that both have; mean over the others, then over cases"
    ),
    source="defined here; signed distances as in ASSD",
    not_when="raters hardly share objects: what is shared may be the easy ones",
    tests={
        "drawn pixels": "masks/test_outlines.py#test_of_a_square_and_a_larger_one",
        "drawn": "qualities/objectivity/test_raters.py#test_shift_of_each_rater_is_the_mean_over_the_others",
        "empty": "qualities/objectivity/test_raters.py#test_shifts_in_different_units_stay_apart_and_none_give_no_rows",
        "symmetry": "qualities/objectivity/test_raters.py#test_shift_of_each_rater_is_the_mean_over_the_others",
    },
)
MISSED_AND_ADDED = Question(
    text="What does a rater miss, and what does a rater add?",
    formula=(
        "`staple_sensitivity`, `staple_specificity`: STAPLE's own estimates; `sensitivity_leave_one_out`, "
        "`specificity_leave_one_out`: of the pixels of C₋r and of its background, on the pixels that count"
    ),
    source="Warfield et al. 2004, doi:10.1109/TMI.2004.828354",
    not_when=(
        "STAPLE's own estimates are read as agreement: the consensus contains the rater; specificity where "
        "nearly all is background"
    ),
    tests={
        "second implementation": "qualities/objectivity/test_raters.py#"
        "test_sensitivity_and_specificity_against_the_others_by_pixel",
        "drawn": "qualities/objectivity/test_raters.py#test_sensitivity_and_specificity_against_the_others_by_pixel",
        "empty": "qualities/objectivity/test_raters.py#test_sensitivity_of_nobody_gives_no_rows",
        "symmetry": "qualities/objectivity/test_raters.py#"
        "test_exchanging_foreground_and_background_exchanges_sensitivity_and_specificity",
    },
)
AGREEMENT_ON_OBJECTS = Question(
    text="Of the objects that any rater marked, on how many do raters agree?",
    formula=("`positive_agreement`: 2 Σ tp / Σ (n<sub>a</sub> + n<sub>b</sub>) over pairs and cases, IoU > .5"),
    source="Cicchetti & Feinstein 1990, doi:10.1016/0895-4356(90)90159-M",
    not_when="each case should count equally: then use F1",
    tests={
        "published": "qualities/objectivity/test_raters.py#test_published_positive_agreement",
        "drawn": "qualities/objectivity/test_raters.py#test_positive_agreement_pools_objects_of_pairs_and_cases",
        "empty": "qualities/objectivity/test_raters.py#test_raters_who_marked_nothing_agree_and_no_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_raters.py#"
        "test_exchanging_the_two_of_a_pair_changes_no_agreement_on_objects",
    },
)
PIXELS_BEYOND_CHANCE = Question(
    text="Do raters agree on pixels beyond chance?",
    formula=(
        "`fleiss_kappa_pixels`, `gwet_ac1_pixels`, `krippendorff_alpha_pixels` (nominal): of how many raters "
        "marked how many pixels, all cases together; raters may lack cases"
    ),
    source=(
        "Fleiss 1971, doi:10.1037/h0031619; Gwet 2008, doi:10.1348/000711006X126600; Krippendorff 2011, "
        "[repository.upenn.edu/asc_papers/43](https://repository.upenn.edu/asc_papers/43)"
    ),
    not_when=(
        "background dominates: κ and α then fall with prevalence, AC1 is near 1 whatever raters do; Dice says more"
    ),
    tests={
        "published": "qualities/objectivity/test_raters.py#test_published_pixels_where_background_dominates",
        "second library": "qualities/objectivity/test_raters.py#"
        "test_pixels_equal_to_statsmodels_and_to_each_pixel_by_itself",
        "drawn": "qualities/objectivity/test_raters.py#test_a_rater_may_lack_cases_and_one_alone_is_undefined",
        "empty": "qualities/objectivity/test_raters.py#test_no_votes_give_no_rows",
        "symmetry": "qualities/objectivity/test_raters.py#"
        "test_exchanging_foreground_and_background_changes_no_agreement_on_pixels",
    },
)
COUNTS_BEYOND_CHANCE = Question(
    text="Do raters agree on counts, if some lack cases?",
    formula="`krippendorff_alpha_count`: α on a ratio scale",
    source="Krippendorff 2011, as above",
    not_when="counts hardly differ between cases: α is then low however well raters agree",
    functions=(
        "qualities.objectivity.measurements.alpha_of_counts",
        "qualities.objectivity.measurements.alpha_ratio_weighted",
    ),
    tests={
        "published": "qualities/objectivity/test_measurements.py#test_published_alpha_on_a_ratio_scale",
        "second implementation": "qualities/objectivity/test_measurements.py#"
        "test_alpha_of_resamples_equal_to_one_at_a_time",
        "drawn": "qualities/objectivity/test_measurements.py#"
        "test_alpha_of_counts_with_missing_raters_equal_to_the_plain_estimator",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
    },
)
DISTINGUISHED_CASES = Question(
    text="Can one rater, or the mean of all, distinguish cases?",
    formula=(
        "`icc_a1_count`, `icc_ak_count`, the same of `area` and `mean_intensity`: ICC(A,1) and ICC(A,k), "
        "interval over clusters; a share of the variance, so that limits end at 0"
    ),
    source="Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420",
    not_when=(
        "cases were chosen to be alike, or unlike: the ICC is of these cases; a case that a rater lacks is left out"
    ),
    tests={
        "published": "qualities/objectivity/test_measurements.py#test_published_correlations_of_four_judges",
        "second library": "statistics/test_reliability.py#test_equal_to_pingouin",
        "real": "qualities/objectivity/test_raters.py#test_the_five_experts_of_a_published_lab",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
        "clusters": "qualities/objectivity/test_measurements.py#"
        "test_cases_doubled_within_their_subject_leave_the_interval",
    },
)
DISTINGUISHED_BY_ANYBODY = Question(
    text="The same, if raters are exchangeable?",
    formula=(
        "`icc_11_count`, `icc_1k_count`, the same of `area` and `mean_intensity`: ICC(1,1) and ICC(1,k), in which "
        "differences between raters are part of the noise; limits end at 0"
    ),
    source="Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420",
    not_when="the raters are the same persons in all cases, whose differences could be told from noise",
    tests={
        "published": "qualities/test_exchangeable.py#"
        "test_icc_1_is_that_of_shrout_and_fleiss_and_of_an_analysis_of_variance",
        "symmetry": "qualities/test_exchangeable.py#test_no_number_and_no_word_changes_if_raters_change_places",
        "drawn": "qualities/test_exchangeable.py#test_icc_1_in_the_scores_is_that_of_the_complete_cases",
        "few cases": "qualities/test_exchangeable.py#test_limits_of_few_cases_end_at_0_and_hold_the_estimate",
    },
    functions=("statistics.reliability.icc_11_weighted", "statistics.reliability.icc_1k_weighted"),
)
LIMITS = Question(
    text="How far do two raters' measurements lie apart, and does that grow with size?",
    formula=(
        "`difference_…`, `limit_low_…`, `limit_high_…` (mean difference ± 1.96 sd) and `slope_…` (of the "
        "difference on the mean of both) of each pair; intervals over clusters. Raters are not compared with "
        "the mean of the others: it varies less than one rater does, which looks like a proportional bias"
    ),
    source="Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8",
    not_when=(
        "differences are skewed or grow with size: then the limits hold for no case; equivalence is claimed: "
        "that needs a margin fixed beforehand"
    ),
    tests={
        "published": "qualities/objectivity/test_measurements.py#test_published_limits_of_two_meters",
        "second implementation": "qualities/objectivity/test_measurements.py#"
        "test_each_pair_equal_to_the_plain_estimators",
        "drawn": "qualities/objectivity/test_measurements.py#test_a_proportional_bias_has_an_interval_free_of_0",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
    },
)
EQUALITY = Question(
    text="How near are two raters' measurements to equality?",
    formula=(
        "`ccc_…`: Lin's concordance of each pair, 2 cov / (var<sub>a</sub> + var<sub>b</sub> + (mean difference)²)"
    ),
    source="Lin 1989, doi:10.2307/2532051",
    not_when="cases were chosen to be alike, or unlike, as for the ICC",
    tests={
        "published": "qualities/objectivity/test_measurements.py#test_published_limits_of_two_meters",
        "second implementation": "qualities/objectivity/test_measurements.py#"
        "test_each_pair_equal_to_the_plain_estimators",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
    },
)
SHARE_OF_RATER = Question(
    text="How much of what differs between measurements is due to the rater?",
    formula=(
        "`rater_share_…`: σ²<sub>rater</sub> / (σ²<sub>case</sub> + σ²<sub>rater</sub> + σ²<sub>residual</sub>) "
        "by REML; `note` has the other two shares"
    ),
    source="Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420",
    not_when=(
        "few raters: the interval is over cases, given these raters, and other raters may differ more; what a "
        "rater does in some cases only is in the residual"
    ),
    tests={
        "published": "qualities/objectivity/test_measurements.py#test_published_share_of_the_judges",
        "second library": "statistics/test_components.py#test_equal_to_statsmodels_mixed_model",
        "drawn": "qualities/objectivity/test_measurements.py#test_raters_who_differ_by_nothing_have_no_share",
        "empty": "qualities/objectivity/test_measurements.py#test_too_few_raters_give_no_rows",
        "symmetry": "qualities/objectivity/test_measurements.py#test_the_order_of_raters_and_cases_does_not_matter",
    },
)
SHARE_OF_FACETS = Question(
    text="Is it the person or the tool that makes measurements differ?",
    formula=(
        "`variance_share_…_person`, `_tool`, `_case`, their pairs and `_rest`: components of case × person × tool (or "
        "session, or site) by REML, divided by their sum"
    ),
    source="Brennan 2001, doi:10.1007/978-1-4757-3456-0",
    not_when="few persons or tools: the interval is over cases, given these persons and tools",
    tests={
        "second library": "qualities/objectivity/test_facets.py#test_shares_are_those_of_three_way_components",
        "drawn": "qualities/objectivity/test_facets.py#test_a_tool_that_doubles_every_area_has_nearly_all_the_variance",
        "real": "tables/test_persons.py#test_ten_mask_sets_of_a_published_lab_are_five_persons",
        "empty": "qualities/objectivity/test_facets.py#test_persons_who_share_no_tool_give_no_rows",
    },
)
REPETITION = Question(
    text="Does a rater repeat the same masks?",
    formula=(
        "`f1_repeated`, `mean_iou_repeated`, `dice_repeated` over pairs of sessions; "
        "`repeatability_coefficient_count`: 1.96 √2 sd within a case"
    ),
    source="Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8",
    not_when="the sessions were close enough to be remembered",
    tests={
        "published": "qualities/objectivity/test_raters.py#test_published_repeatability_of_a_meter",
        "second implementation": "qualities/objectivity/test_raters.py#test_published_repeatability_of_a_meter",
        "drawn": "qualities/objectivity/test_raters.py#test_three_sessions_of_a_case_count_once",
        "empty": "qualities/objectivity/test_raters.py#test_three_sessions_of_a_case_count_once",
        "symmetry": "qualities/objectivity/test_raters.py#test_the_order_of_sessions_does_not_matter",
    },
)
IMITATION = Question(
    text="Does a model imitate the rater it was trained on?",
    formula=(
        "`imprint` (F1; `imprint_dice`): [a(M<sub>r</sub>, r) − mean<sub>s≠r</sub> a(M<sub>s</sub>, r)] − "
        "mean<sub>j≠r</sub> [a(M<sub>r</sub>, j) − mean<sub>s∉{r,j}</sub> a(M<sub>s</sub>, j)], a = agreement on "
        "held-out cases, M<sub>s</sub> the models trained on s; in a case, raters take part who have a mask and "
        "a model there"
    ),
    source="defined here; after Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when=(
        "fewer than 3 raters with models (not judged); it is unknown what a model was trained on (left out); "
        "raters differ in other ways than a constant, such as by brightness of the image, which no mean shows"
    ),
    tests={
        "second implementation": "qualities/objectivity/test_imprint.py#test_equal_to_the_definition_term_by_term",
        "drawn": "qualities/objectivity/test_imprint.py#test_worked_by_hand",
        "in tables": "qualities/objectivity/test_imprint.py#test_rows_of_each_rater_and_of_all",
        "planted": "qualities/objectivity/test_imprint.py#test_what_is_planted_is_found",
        "null": "qualities/objectivity/test_imprint.py#test_models_that_learned_nothing_of_their_rater_have_none",
        "empty": "qualities/objectivity/test_imprint.py#test_undefined_below_three_raters_and_where_a_single_value_is",
        "invariance": "qualities/objectivity/test_imprint.py#"
        "test_what_a_rater_has_with_all_models_and_a_model_with_all_raters_cancels",
        "symmetry": "qualities/objectivity/test_imprint.py#test_the_order_of_raters_does_not_matter",
    },
)
REMOVAL = Question(
    text="Does a consensus remove single raters' bias?",
    formula=(
        "`removal_of_bias` (F1; `removal_of_bias_dice`): agreement with rater r of consensus models trained "
        "without r, minus that of the other raters' models"
    ),
    source="defined here; after Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when=("consensus and expert models differ in more than the masks, such as the number of images or of steps"),
    tests={
        "drawn": "qualities/objectivity/test_imprint.py#"
        "test_consensus_models_that_never_saw_a_rater_beside_other_raters_models",
        "planted": "qualities/objectivity/test_imprint.py#test_what_is_planted_is_found",
        "empty": "qualities/objectivity/test_imprint.py#test_no_removal_of_bias_without_such_models",
        "symmetry": "qualities/objectivity/test_imprint.py#test_renaming_raters_changes_names_alone",
    },
)
LIKE_RATERS = Question(
    text="Does a model agree with raters as they do with each other?",
    formula=(
        "`williams_index` (Dice) of each model and ensemble, with `human_low` and `human_high` from each rater "
        "among the others"
    ),
    source="Williams 1976, doi:10.2307/2529750",
    not_when="the model was trained on one of the raters (`note` says so); raters hardly agree",
    tests={
        "published": "qualities/objectivity/test_models.py#test_published_index_of_a_model_and_that_of_each_rater",
        "second implementation": "qualities/objectivity/test_models.py#test_the_index_is_a_ratio_of_means_over_cases",
        "drawn": "qualities/objectivity/test_models.py#test_a_model_like_one_more_rater_has_an_index_near_1",
        "empty": "qualities/objectivity/test_models.py#test_nothing_to_compare_gives_no_rows",
        "symmetry": "qualities/objectivity/test_models.py#test_the_order_and_names_of_raters_do_not_matter",
    },
)
REPLACEMENT = Question(
    text="Can a model replace a rater?",
    formula=(
        "`alt_test_winning_rate` ω and `alt_test_advantage` ρ, by mean Dice with the other raters; ε = .2, false "
        "discovery rate by Benjamini and Yekutieli, passed at ω ≥ .5"
    ),
    source="Calderon, Reichart & Dror 2025, doi:10.18653/v1/2025.acl-long.782",
    not_when="fewer than 30 cases or 3 raters (not judged)",
    tests={
        "second library": "statistics/test_raters.py#test_false_discovery_rate_equal_to_statsmodels",
        "drawn": "qualities/objectivity/test_models.py#test_advantage_by_hand",
        "verdicts": "qualities/objectivity/test_models.py#"
        "test_a_model_behind_everybody_does_not_pass_and_one_ahead_does",
        "empty": "qualities/objectivity/test_models.py#test_the_alt_test_needs_three_raters",
        "symmetry": "qualities/objectivity/test_models.py#test_the_order_and_names_of_raters_do_not_matter",
    },
)
SPREAD_OF_MASKS = Question(
    text="Do models differ among each other as raters do?",
    formula=(
        "`generalized_energy_distance`, squared, d = 1 − IoU, between the raters and models trained alike, and "
        "between the raters and the models of single raters"
    ),
    source="Székely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018",
    not_when="groups of different size by V, whose bias depends on the size (U is used there, and may be below 0)",
    tests={
        "published": "qualities/objectivity/test_models.py#test_published_distance_of_two_raters_and_two_models",
        "second implementation": "qualities/objectivity/test_models.py#"
        "test_sets_of_different_size_by_the_unbiased_statistic",
        "drawn": "qualities/objectivity/test_models.py#test_models_of_single_raters_form_a_set_of_their_own",
        "empty": "qualities/objectivity/test_models.py#test_nothing_to_compare_gives_no_rows",
        "symmetry": "qualities/objectivity/test_models.py#test_the_order_and_names_of_raters_do_not_matter",
    },
)
COVERED_BY_MASKS = Question(
    text="Does each rater find a model that draws as they do?",
    formula=(
        "`dice_max`: Dice of each rater with the model that agrees best, mean over raters; `dice_match`: with one "
        "model for each rater, chosen so that the mean is highest (a rater for whom none is left counts as 0). No "
        "worked value is published, only those of whole datasets: they are tested by hand and by all permutations"
    ),
    source="Wu et al. 2024, arXiv:2403.13417; Kuhn 1955, doi:10.1002/nav.3800020109",
    not_when="sets of different size: more models, even random ones, raise `dice_max`",
    functions=("statistics.sets.best_agreement", "statistics.sets.matched_agreement"),
    tests={
        "second implementation": "statistics/test_sets.py#test_matched_is_the_best_of_all_permutations",
        "drawn": "qualities/objectivity/test_sets.py#test_dice_by_hand",
        "attack": "qualities/objectivity/test_sets.py#test_copies_of_one_rater_do_not_match_the_others",
        "empty": "statistics/test_sets.py#test_nothing",
    },
)
DISTRIBUTIONS = Question(
    text="Do the counts and areas of several models spread as those of the raters do?",
    formula=(
        "`crps_count`, `crps_area`: mean |x − y| − ½ mean |x − x′| over models x and raters y of a case; one model has "
        "its absolute error"
    ),
    source="Gneiting & Raftery 2007, doi:10.1198/016214506000001437",
    not_when="images of very different size: the largest decide",
    functions=("statistics.sets.crps",),
    tests={
        "published": "statistics/test_sets.py#test_of_a_normal_sample_as_in_closed_form",
        "second implementation": "statistics/test_sets.py#test_equal_to_the_integral_of_squared_steps",
        "attack": "qualities/objectivity/test_sets.py#test_a_spread_that_raters_do_not_have_costs",
        "empty": "statistics/test_sets.py#test_nothing",
    },
)

QUESTIONS = tuple(question for question in list(globals().values()) if isinstance(question, Question))
"""All of the above, in this order."""
