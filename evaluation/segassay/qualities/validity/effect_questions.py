"""Questions of validity about the effects of an experiment, one row of docs/measures.md each; see `questions`."""

from segassay.qualities.scores.measure import Question

__all__ = [
    "ANIMALS",
    "CONCLUSIONS",
    "EFFECTS",
    "EFFECT_SIZE",
    "EQUIVALENCE",
    "GROUPS",
    "MAJORITY",
    "OTHER_CHOICES",
    "PAIRS_OF_GROUPS",
    "PREREQUISITES",
    "SHIFT",
    "UNEQUAL_SPREAD",
    "VARIATION",
    "VOTING",
    "WRONG_SIGNS",
]

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
        "`p_unequal`: Brunner–Munzel; where group sizes differ and one is below 6, the larger of its p and Welch's; "
        "Holm over the pairs; beside the mixed model Welch's of subject means. A conclusion is `higher` or `lower` if "
        "both p are below .05"
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
    not_when="counts near 0, which are far from normal: then use subject means",
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
        "few units, or groups that do not overlap: with 5 units in each group the interval holds the effect in 89 %; "
        "no effect: η² is never below 0, and its interval then often excludes 0; read the interval of the shift"
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
        "the control group, within a margin fixed beforehand (`equivalence_margin`); not relied on with fewer than "
        "10 units, or if n ≤ 25 × skewness²"
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
