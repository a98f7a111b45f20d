"""Questions of reliability, one row of docs/measures.md each; `records` says which measures answer them."""

from segassay.qualities.scores.measure import Question

__all__ = ["QUESTIONS"]

SAME_MASKS = Question(
    text="Would another training draw the same masks?",
    formula=(
        "`f1`, `mean_iou`, `dice`: mean agreement over pairs of models, and of ensembles without a common "
        "member, that differ by the seed"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when="ensembles share members (left out): they agree for that reason",
    functions=("qualities.scores.groups.trained_alike",),
    tests={
        "drawn": "qualities/reliability/test_seeds.py#test_whole_ensembles_are_compared_and_not_their_halves",
        "empty": "qualities/reliability/test_seeds.py#test_without_models_every_measure_says_why_it_cannot_be_judged",
        "symmetry": "qualities/reliability/test_seeds.py#test_order_of_seeds_does_not_matter",
        "planted": "qualities/reliability/test_seeds.py#test_all_measures_of_a_simulated_study_find_what_was_planted",
    },
)
ALIKE_MODELS = Question(
    text="How similar are the models of one strategy, compared with raters?",
    formula=(
        "`f1_within`, `mean_iou_within`, `dice_within` (strategies.csv): mean agreement over all pairs of "
        "annotators of one strategy, whatever each was trained on; of ensembles of one size over pairs without a "
        "common member"
    ),
    source="Segebarth et al. 2020, doi:10.7554/eLife.59780",
    not_when="as a sign of validity: models that all miss the same objects agree",
    tests={
        "drawn": "judgement/test_strategy_scores.py#test_of_ensembles_only_without_a_common_member",
        "lab": "judgement/test_strategies.py#test_on_lab_wue1_scores_are_as_published",
        "empty": "judgement/test_strategy_scores.py#test_of_one_annotator_there_is_none",
        "symmetry": "judgement/test_strategies.py#test_the_order_of_annotations_and_of_pairs_changes_no_number",
        "planted": "judgement/test_strategies.py#test_what_was_planted_is_found",
    },
)
FOLDS = Question(
    text="Would training on other folds draw the same masks?",
    formula="the same over pairs of models that differ by the fold alone, on cases that both held out",
    source="as above",
    not_when="there is no test split: cannot be judged",
    functions=(
        "qualities.reliability.seeds.agreement_of_folds",
        "qualities.scores.groups.pairs_of_folds",
    ),
    tests={
        "drawn and empty": "qualities/reliability/test_seeds.py#"
        "test_folds_are_compared_on_cases_that_are_in_no_fold_only",
    },
)
ALIKE_ENSEMBLES = Question(
    text="Are ensembles more alike than single models, and than raters?",
    formula=(
        "`f1_minus_models`, `f1_minus_raters`: mean F1 between ensembles without a common member, minus that "
        "between two models trained alike, or between two raters; paired over cases"
    ),
    source="definition",
    not_when="the models agree perfectly: ensembles cannot agree better",
    tests={
        "simulated": "qualities/reliability/test_ensembles.py#test_differences_to_raters_and_models_are_paired",
        "limit": "judgement/test_criteria.py#test_a_limit_on_the_line_decides_nothing",
    },
)
SPREAD_OF_MEANS = Question(
    text="How far does the mean score, or count, of a study move with the seed?",
    formula="`sd_*` with χ² interval, `cv_*` = sd / mean with McKay's interval, `range_*`",
    source="Snedecor & Cochran 1989, section 5.12; McKay 1932, doi:10.2307/2342041",
    not_when="fewer than 4 seeds: not judged; ranges of different numbers of seeds side by side",
    tests={
        "published": "qualities/reliability/test_seeds.py#test_published_coefficient_of_variation",
        "drawn": "qualities/reliability/test_seeds.py#test_spread_over_seeds_of_score_and_count",
        "empty": "qualities/reliability/test_seeds.py#test_spread_of_few_seeds_is_not_judged_and_of_none_undefined",
        "missing cases": "qualities/reliability/test_seeds.py#test_spread_is_of_cases_that_all_seeds_have",
        "coverage": "qualities/reliability/test_seeds.py#test_interval_of_the_coefficient_of_variation_covers",
        "planted": "qualities/reliability/test_seeds.py#test_all_measures_of_a_simulated_study_find_what_was_planted",
    },
)
STEADINESS = Question(
    text="How much steadier are ensembles than their members?",
    formula=(
        "`sd_ratio_*`: √(mean over cases of the variance over ensembles / of that over models), jackknife; 1/√n if "
        "members err independently"
    ),
    source="Miller 1974, doi:10.1093/biomet/61.1.1, for the interval",
    not_when="one ensemble of a size, or sizes mixed (not computed)",
    tests={
        "planted and empty": "qualities/reliability/test_seeds.py#"
        "test_ensembles_spread_less_than_members_by_the_square_root_of_their_number",
    },
)
FLIPS = Question(
    text="Which share of what one training marks does another one not mark?",
    formula=(
        "`flip_rate_pixels` = Σ flipped / Σ pixels that count; `flip_rate_foreground` = 1 − pooled Dice; "
        "`flip_rate_objects` = 1 − 2 Σ TP / Σ (n<sub>a</sub> + n<sub>b</sub>)"
    ),
    source="Dice 1945, doi:10.2307/1932409",
    not_when="images are mostly empty: background then hides all flips of pixels; read those of the foreground",
    tests={
        "drawn and symmetry": "qualities/reliability/test_seeds.py#test_flip_rates_are_shares_of_all_that_was_found",
        "empty": "qualities/reliability/test_seeds.py#test_flip_rates_where_nothing_is_found_are_undefined",
    },
)
FLIPPED_CONCLUSIONS = Question(
    text="Does the conclusion of the experiment depend on the seed?",
    formula="`flip_rate_verdicts`: share of effects × pairs of seeds whose verdicts differ",
    source="definition",
    not_when="most effects are not testable; a verdict flips at p = .05 while effect sizes hardly differ",
    tests={
        "drawn, empty, symmetry": "qualities/reliability/test_seeds.py#test_flip_rate_of_verdicts",
    },
)
CHANGE_OF_IMAGE = Question(
    text="By how much does the count or score of one image change with the seed?",
    formula=("`sem_*`, `mdc95_*` from case × seed by REML; `repeatability_coefficient_*` = 1.96 √2 sd within a case"),
    source="Weir 2005, doi:10.1519/15184.1; Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8",
    not_when="errors grow with the count: read them as an average over images",
    functions=("qualities.reliability.designs.two_way_reml",),
    tests={
        "published": "qualities/reliability/test_variance.py#"
        "test_published_error_of_measurement_with_seeds_in_place_of_judges",
        "second implementation": "qualities/reliability/test_variance.py#"
        "test_closed_form_of_reml_at_the_boundary_is_that_of_the_iteration",
        "empty": "qualities/reliability/test_variance.py#test_rater_by_seed_needs_two_seeds_of_every_rater",
    },
)
SOURCES = Question(
    text="Is it the image, the rater trained on, or the seed?",
    formula=(
        "`variance_*`: case × rater × seed of the models of single raters, by REML, with the analysis of "
        "variance for comparison"
    ),
    source="Searle et al. 1992, doi:10.1002/9780470316856",
    not_when=(
        "one seed per rater (not computed); few raters: their component has hardly any precision, and the "
        "interval, over cases, does not show it"
    ),
    tests={
        "planted": "qualities/reliability/test_variance.py#test_variance_components_find_what_was_planted",
        "empty": "qualities/reliability/test_variance.py#test_rater_by_seed_needs_two_seeds_of_every_rater",
        "estimator": "statistics/test_components.py#test_equal_to_statsmodels_mixed_model",
    },
)
NUMBERS = Question(
    text="How many raters and seeds does a reliable count need?",
    formula="`phi_count`; smallest number of raters, or seeds, with Φ ≥ .9",
    source="Brennan 2001, doi:10.1007/978-1-4757-3456-0",
    not_when="images of the next study differ less, or more, than these",
    tests={
        "published": "qualities/reliability/test_variance.py#"
        "test_published_error_of_measurement_with_seeds_in_place_of_judges",
        "second implementation": "qualities/reliability/test_variance.py#"
        "test_number_of_raters_is_the_first_that_a_decision_study_calls_enough",
        "drawn": "qualities/reliability/test_variance.py#"
        "test_generalizability_of_raters_and_seeds_is_that_of_the_components",
        "boundary": "qualities/reliability/test_variance.py#"
        "test_more_raters_do_not_help_where_seeds_or_nothing_but_error_vary",
        "empty": "qualities/reliability/test_variance.py#test_rater_by_seed_needs_two_seeds_of_every_rater",
    },
)
MEMBERS = Question(
    text="Does another member still help?",
    formula=(
        "`disagreement_*` of disjoint ensembles of n; 1 − agreement = a/√n + rest by least squares "
        "(`saturation_a_*`, `saturation_rest_*`), both ≥ 0"
    ),
    source="definition",
    not_when=("two sizes only: the rest is taken as 0, so that a curve that has levelled off seems to go on falling"),
    functions=("qualities.reliability.saturation.saturation_curve",),
    tests={
        "second implementation": "qualities/reliability/test_seeds.py#"
        "test_fit_of_saturation_is_the_constrained_least_squares_of_scipy",
        "planted and empty": "qualities/reliability/test_seeds.py#"
        "test_fit_of_saturation_finds_what_was_planted_and_stays_in_bounds",
        "drawn": "qualities/reliability/test_seeds.py#test_saturation_curve_over_disjoint_ensembles",
    },
)
PROBABILITIES = Question(
    text="Do probabilities mean what they say?",
    formula=(
        "`ece` = Σ |foreground − Σp| / pixels over 20 bins; `brier` = mean (p − y)²; both also of pixels with "
        "p > .05; reliability diagram"
    ),
    source=(
        "Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Brier 1950, "
        "doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
    ),
    not_when=(
        "the reference is one rater of many: a model calibrated to all of them then looks underconfident; pixels "
        "chosen by their label"
    ),
    functions=(
        "qualities.reliability.calibration.reliability_diagram",
        "qualities.reliability.calibration.by_bin",
    ),
    tests={
        "published": "qualities/reliability/test_seeds.py#test_published_brier_score_of_the_documentation_of_sklearn",
        "second library": "qualities/reliability/test_seeds.py#test_calibration_equal_to_sklearn",
        "drawn": "qualities/reliability/test_seeds.py#test_pixels_are_selected_by_the_prediction_and_not_by_the_label",
        "empty": "qualities/reliability/test_seeds.py#test_calibration_of_a_perfect_and_of_no_model",
        "symmetry": "qualities/reliability/test_seeds.py#"
        "test_order_of_rows_and_a_case_cut_in_two_do_not_matter_to_calibration",
    },
)
SHARES_OF_RATERS = Question(
    text="Do probabilities say how many raters mark a pixel?",
    formula=(
        "`dice_of_shares`: Dice of the probability and the share of raters, both above t, mean over t = .1, .2 … .9 "
        "(QUBIQ; also called Dice_soft); `brier_of_raters`: mean (p − y)² over pixels and raters; `ece_of_raters` over "
        "10 bins, each rater counted"
    ),
    source="Li et al. 2024, arXiv:2405.18435; Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    not_when=(
        "two raters: shares of 0, ½ and 1 hardly test a probability; images with nothing, where all thresholds agree"
    ),
    tests={
        "drawn": "qualities/reliability/test_rater_probabilities.py#test_by_hand",
        "second implementation": "qualities/reliability/test_rater_probabilities.py#test_equal_to_whole_arrays",
        "attack": "qualities/reliability/test_rater_probabilities.py#test_one_raters_mask_is_no_probability",
        "empty": "qualities/reliability/test_rater_probabilities.py#test_nothing",
    },
)
UNCERTAINTY = Question(
    text="Is the model uncertain where it errs, or where raters disagree?",
    formula=(
        "`uncertainty_spearman_*`, `uncertainty_auroc_*`, `uncertainty_aurc_*` of each case over 50 bins, ties "
        "exact, then the mean; a pixel counts as disputed with the share 4 v (1 − v)"
    ),
    source=(
        "Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747; Geifman et al. 2019, "
        "[arXiv:1805.08206](https://arxiv.org/abs/1805.08206)"
    ),
    not_when=(
        "background is most of the image: the AUROC is then high for any model that is certain there; the "
        "AURC of models that err more or less often"
    ),
    functions=("qualities.reliability.uncertainty.risk_coverage",),
    tests={
        "second library": "qualities/reliability/test_seeds.py#"
        "test_uncertainty_equal_to_sklearn_and_scipy_on_single_pixels",
        "second implementation": "qualities/reliability/test_seeds.py#"
        "test_area_under_risk_coverage_is_the_mean_risk_over_pixels_in_random_order",
        "drawn and symmetry": "qualities/reliability/test_seeds.py#test_uncertainty_by_hand",
        "empty": "qualities/reliability/test_seeds.py#test_uncertainty_of_each_case_then_the_mean",
        "one rater": "qualities/reliability/test_seeds.py#test_one_rater_disagrees_with_nobody",
    },
)
POOR_IMAGES = Question(
    text="Can poor images be told without annotating them?",
    formula=(
        "quality = mean pairwise Dice of the models; `quality_spearman_dice`: its rank correlation with the Dice "
        "against raters"
    ),
    source="Roy et al. 2019, doi:10.1016/j.neuroimage.2019.03.042",
    not_when="images without objects, where agreement is 1 by convention",
    functions=(
        "qualities.reliability.image_quality.image_quality",
        "qualities.reliability.image_quality.spearman_weighted",
    ),
    tests={
        "second library": "qualities/reliability/test_seeds.py#"
        "test_weighted_rank_correlation_equal_to_scipy_on_drawn_cases",
        "drawn, symmetry, empty": "qualities/reliability/test_seeds.py#"
        "test_quality_of_an_image_orders_images_as_their_score_does",
    },
)
SELECTION = Question(
    text="If the most uncertain images go to a person, how good are the others?",
    formula=(
        "`image_aurc_dice`: risk 1 − Dice, mean over the k most certain images, mean over all k; images in the order "
        "of the disagreement of models that differ by the seed, or of the mean of the uncertainty map; ties at random"
    ),
    source="El-Yaniv & Wiener 2010, JMLR 11:1605-1641; Geifman et al. 2019, arXiv:1805.08206",
    not_when="on its own: read it beside the values of a random and of the best order, which the note gives",
    tests={
        "published": "qualities/reliability/test_selective.py#test_published_areas_of_fd_shifts",
        "drawn": "qualities/reliability/test_selective.py#test_by_hand",
        "second implementation": "qualities/reliability/test_selective.py#test_equal_to_sorting_drawn_images",
        "attack": "qualities/reliability/test_selective.py#test_an_uncertainty_that_tells_nothing_is_a_random_order",
        "empty": "qualities/reliability/test_selective.py#test_nothing",
    },
)

QUESTIONS = tuple(question for question in list(globals().values()) if isinstance(question, Question))
"""All of the above, in this order."""
