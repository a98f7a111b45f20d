"""Published values that the estimators must reproduce, each with its source.

    Check: estimator, arguments  ->  computed and published numbers

The docstrings of the estimators cite the same values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segassay.selftest import published_data as data

__all__ = ["CHECKS", "Check"]


@dataclass(frozen=True, eq=False)
class Check:
    """One call whose result is published.

    Attributes:
        estimator: Module and function, such as `statistics.reliability.phi`.
        what: Data and quantity, in words.
        arguments: Arguments of the call.
        options: Keyword arguments of the call.
        pick: Takes the numbers from the result; by default the result itself is the number.
        expected: The published numbers.
        tolerance: Largest difference that passes: by default half a unit of the last published digit.
        source: Where they are published.
    """

    estimator: str
    what: str
    expected: tuple[float, ...]
    tolerance: float
    source: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    pick: Callable[[Any], Sequence[float]] = lambda result: (result,)


def _column(name: str) -> Callable[[pd.DataFrame], Sequence[float]]:
    return lambda table: table[name].tolist()


def _attributes(*names: str) -> Callable[[Any], Sequence[float]]:
    return lambda result: [getattr(result, name) for name in names]


CHECKS: tuple[Check, ...] = (
    Check(
        "statistics.chance.fleiss_kappa",
        "30 patients, 6 psychiatrists",
        (0.430245,),
        5e-7,
        data.FLEISS,
        (data.PATIENTS,),
    ),
    Check(
        "statistics.chance.randolph_kappa",
        "30 patients, 6 psychiatrists",
        (0.444444,),
        5e-7,
        "Randolph 2005, ERIC ED490661, on Fleiss 1971",
        (data.PATIENTS,),
    ),
    Check(
        "statistics.chance.fleiss_kappa", "10 subjects, 14 raters", (0.209931,), 5e-7, data.FLEISS, (data.TEN_SUBJECTS,)
    ),
    Check("statistics.chance.cohen_kappa", "20, 5, 10, 15", (0.40,), 5e-3, data.COHEN, ([[20, 5], [10, 15]],)),
    Check(
        "statistics.chance.cohen_kappa",
        "118, 5, 2, 0: prevalence paradox",
        (-0.0234,),
        5e-5,
        data.GWET,
        ([[118, 5], [2, 0]],),
    ),
    Check(
        "statistics.chance.gwet_ac1",
        "118, 5, 2, 0: prevalence paradox",
        (0.9408,),
        5e-5,
        data.GWET,
        ([[2, 0], [1, 1], [0, 2]], [118, 7, 0]),
    ),
    *(
        Check(
            "statistics.chance.krippendorff_alpha",
            f"4 observers, 12 units, {level}",
            (value,),
            5e-4,
            data.KRIPPENDORFF,
            (data.VALUES, level),
        )
        for level, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797))
    ),
    Check(
        "statistics.reliability.icc",
        "6 targets, 4 judges: ICC(1,1), (A,1), (C,1), (1,k), (A,k), (C,k)",
        (0.1657, 0.2898, 0.7148, 0.4428, 0.6201, 0.9093),
        5e-5,
        data.SHROUT,
        (data.JUDGES,),
        pick=lambda table: table.loc[data.ICC_FORMS, "value"].tolist(),
    ),
    Check(
        "statistics.reliability.icc_a1", "6 targets, 4 judges: ICC(A,1)", (0.2898,), 5e-5, data.SHROUT, (data.JUDGES,)
    ),
    Check(
        "statistics.reliability.icc_ak", "6 targets, 4 judges: ICC(A,k)", (0.6201,), 5e-5, data.SHROUT, (data.JUDGES,)
    ),
    Check(
        "statistics.reliability.icc_11_weighted",
        "6 targets, 4 judges: ICC(1,1) with weights of 1",
        (0.1657,),
        5e-5,
        data.SHROUT,
        (np.ones((1, 6)), data.JUDGES),
        pick=list,
    ),
    Check(
        "statistics.reliability.icc_1k_weighted",
        "6 targets, 4 judges: ICC(1,k) with weights of 1",
        (0.4428,),
        5e-5,
        data.SHROUT,
        (np.ones((1, 6)), data.JUDGES),
        pick=list,
    ),
    Check(
        "statistics.reliability.icc_a1_weighted",
        "6 targets, 4 judges: ICC(A,1) with weights of 1",
        (0.2898,),
        5e-5,
        data.SHROUT,
        (np.ones((1, 6)), data.JUDGES),
        pick=list,
    ),
    Check(
        "statistics.reliability.icc_ak_weighted",
        "6 targets, 4 judges: ICC(A,k) with weights of 1",
        (0.6201,),
        5e-5,
        data.SHROUT,
        (np.ones((1, 6)), data.JUDGES),
        pick=list,
    ),
    Check(
        "statistics.components.two_way_components",
        "6 targets, 4 judges: target, judge, residual (REML)",
        (2.5556, 5.2444, 1.0194),
        5e-5,
        data.G_STUDY,
        (data.JUDGES,),
        pick=_column("reml"),
    ),
    Check(
        "statistics.components.crossed_components",
        "6 targets, 4 judges: target, judge, residual (REML)",
        (2.5556, 5.2444, 1.0194),
        5e-5,
        data.G_STUDY,
        (np.ones((1, 6)), np.array(data.JUDGES, dtype=float)),
        pick=lambda components: components[0].tolist(),
    ),
    *(
        Check(
            "statistics.reliability.phi",
            f"6 targets, {n} judges: Φ",
            (value,),
            5e-5,
            data.G_STUDY,
            (data.COMPONENTS, n),
        )
        for n, value in ((1, 0.2898), (2, 0.4493), (4, 0.6201), (8, 0.7655))
    ),
    Check(
        "statistics.reliability.d_study",
        "1, 2, 4, 8 judges: Φ",
        (0.2898, 0.4493, 0.6201, 0.7655),
        5e-5,
        data.G_STUDY,
        (data.COMPONENTS,),
        {"n_raters": (1, 2, 4, 8)},
        pick=_column("phi"),
    ),
    Check(
        "statistics.reliability.e_rho_squared",
        "4 judges: Eρ², which is ICC(C,k)",
        (0.9093,),
        5e-5,
        data.SHROUT,
        (data.COMPONENTS, 4),
    ),
    Check("statistics.reliability.sem", "6 targets, 4 judges: SEM", (2.5028,), 5e-5, data.G_STUDY, (data.COMPONENTS,)),
    Check(
        "statistics.reliability.mdc95", "6 targets, 4 judges: MDC95", (6.9373,), 5e-5, data.G_STUDY, (data.COMPONENTS,)
    ),
    Check(
        "statistics.reliability.repeatability_coefficient",
        "peak flow of 17 subjects, twice: sd within a subject × √2",
        (21.6,),
        0.05,
        data.BLAND,
        (np.transpose([data.WRIGHT, data.WRIGHT_AGAIN]),),
        pick=lambda value: (value / 1.96,),
    ),
    Check(
        "statistics.methods.bland_altman",
        "peak flow by two meters: bias, sd, SE of bias, SE of limit",
        (-2.1, 38.8, 9.4, 16.3),
        0.05,
        data.BLAND,
        (data.WRIGHT, data.MINI),
        pick=_attributes("bias", "sd", "bias_se", "limit_se"),
    ),
    Check(
        "statistics.methods.limit_of_agreement",
        "peak flow by two meters: half the distance of the limit at 2 sd from the bias of -2.1",
        (38.8,),
        0.05,
        data.BLAND,
        (data.WRIGHT, data.MINI, np.arange(17)),
        {"z": 2.0},
        pick=lambda limit: ((limit.value + 2.1) / 2,),
    ),
    Check(
        "statistics.reliability.phi",
        "3 tasks, each with 4 raters of its own: Φ of a nested design",
        (0.464,),
        5e-4,
        "Brennan (2001), Generalizability Theory, synthetic data set no. 4, doi:10.1007/978-1-4757-3456-0",
        ({"case": 0.4731, "rater": 0.3252, "seed": 0.6475, "case:rater": 0.5596, "residual": 2.3802}, 3, 4),
        {"nested": True},
    ),
    Check(
        "statistics.methods.lins_ccc", "peak flow by two meters", (0.9427,), 5e-5, data.LIN, (data.WRIGHT, data.MINI)
    ),
    Check(
        "statistics.groups.kruskal_wallis",
        "clearance of mucus: H, p",
        (0.771429, 0.679965),
        5e-7,
        f"{data.HOLLANDER}, p. 116",
        (data.MUCUS,),
        pick=_attributes("statistic", "p_value"),
    ),
    Check(
        "statistics.groups.kruskal_wallis",
        "clearance of mucus: ε²",
        (0.0593,),
        5e-5,
        f"{data.HOLLANDER}, p. 116",
        (data.MUCUS,),
        pick=_attributes("epsilon_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "permeability of membranes: U, exact p, Z, η², rank-biserial",
        (35, 0.2544, 1.2247, 0.1000, 0.40),
        5e-5,
        f"{data.HOLLANDER}, p. 69",
        (data.AT_TERM, data.AT_WEEK_26),
        pick=_attributes("statistic", "p_exact", "z", "eta_squared", "rank_biserial"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 9, U 10: asymptotic p, exact p",
        (0.005, 0.003),
        5e-4,
        data.SEGEBARTH,
        data.U_IS_10,
        pick=_attributes("p_value", "p_exact"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 9, U 10: η²",
        (0.43,),
        5e-3,
        data.SEGEBARTH,
        data.U_IS_10,
        pick=_attributes("eta_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 10, U 0: η²",
        (0.71,),
        5e-3,
        data.SEGEBARTH,
        data.U_IS_0,
        pick=_attributes("eta_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 10, U 0: p between 0 and .001",
        (0.0005,),
        5e-4,
        data.SEGEBARTH,
        data.U_IS_0,
        pick=_attributes("p_value"),
    ),
    Check(
        "statistics.groups.brunner_munzel",
        "pain by two treatments: p",
        (0.005786,),
        5e-7,
        "Brunner & Munzel 2000, as R's lawstat prints it",
        data.PAIN,
        pick=_attributes("p_value"),
    ),
    Check(
        "statistics.groups.welch",
        "hours of sleep with two drugs: p",
        (0.07939,),
        5e-6,
        "Student 1908, as R's t.test prints it",
        data.SLEEP,
        pick=_attributes("p_value"),
    ),
    Check(
        "statistics.groups.smallest_attainable_p",
        "4 against 4 in three contrasts",
        (0.086,),
        5e-4,
        "exact: 3 contrasts × 2 of the 70 orders of both samples",
        (4, 4, 3),
    ),
    Check(
        "statistics.groups.grubbs",
        "8 isotope ratios: G",
        (2.46876,),
        5e-6,
        data.NIST,
        (data.ISOTOPES,),
        pick=_attributes("statistic"),
    ),
    Check(
        "statistics.groups.grubbs",
        "8 isotope ratios: critical G at .05, two-sided",
        (2.1266,),
        5e-5,
        data.NIST,
        (data.ISOTOPES,),
        pick=_attributes("critical"),
    ),
    Check(
        "statistics.components.one_way_components",
        "dyestuff: batch, residual (REML)",
        (1764.05, 2451.25),
        5e-3,
        data.DAVIES,
        (data.DYESTUFF,),
        pick=_column("reml"),
    ),
    Check(
        "statistics.groups.mixed_model",
        "dyestuff: batch, residual (REML), mean",
        (1764.05, 2451.25, 1527.5),
        5e-3,
        data.DAVIES,
        (np.ravel(data.DYESTUFF), np.zeros(30, dtype=int), np.repeat(list("ABCDEF"), 5)),
        {"n_groups": 1},
        pick=lambda fit: (fit.variance_subject, fit.variance_residual, fit.mean[0]),
    ),
    Check(
        "statistics.raters.friedman",
        "12 gardeners, 4 grasses: χ², F",
        (8.097, 3.192),
        5e-4,
        data.CONOVER,
        (data.GRASS,),
        pick=_attributes("chi_squared", "f"),
    ),
    Check(
        "statistics.equivalence.ratio_equivalence",
        "means 11 and 10 of 4 cases: ratio, Fieller's 90 % interval",
        (1.1, 1.003579, 1.223258),
        5e-6,
        "Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x, computed by hand",
        ((11.0, 12.0, 9.0, 12.0), (10.0, 12.0, 8.0, 10.0)),
        {"margin": 0.25},
        pick=_attributes("ratio", "low", "high"),
    ),
    Check(
        "statistics.permutation.sign_flip_p",
        "Darwin's 15 pairs of plants",
        (0.05267,),
        5e-6,
        "Fisher 1935, The Design of Experiments, section 21",
        ((49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48),),
    ),
    Check(
        "statistics.sets.crps",
        "-1, 0, 2 against 1",
        (2 / 3,),
        1e-12,
        "Gneiting & Raftery 2007, doi:10.1198/016214506000001437, computed by hand",
        ([-1.0, 0.0, 2.0], [1.0]),
    ),
    Check(
        "statistics.sets.best_agreement",
        "two models, two raters",
        (0.85,),
        1e-12,
        "Wu et al. 2024, arXiv:2403.13417, computed by hand",
        ([[0.9, 0.8], [0.7, 0.2]],),
    ),
    Check(
        "statistics.sets.matched_agreement",
        "two models, two raters",
        (0.75,),
        1e-12,
        "Wu et al. 2024, arXiv:2403.13417, computed by hand",
        ([[0.9, 0.8], [0.7, 0.2]],),
    ),
    Check(
        "statistics.raters.positive_agreement",
        "100 patients: 40 both, 9 and 6 one",
        (0.84,),
        5e-3,
        data.CICCHETTI,
        (40, 49, 46),
    ),
    Check(
        "statistics.raters.positive_agreement",
        "100 patients: 80 both, 10 and 5 one",
        (0.91,),
        5e-3,
        data.CICCHETTI,
        (80, 90, 85),
    ),
    Check(
        "statistics.attenuation.agreement_ceilings",
        "a trait measured twice, which correlates by .64, and the trait",
        (0.8, 0.8, 1.0),
        5e-7,
        data.SPEARMAN,
        (data.MEASURED_TWICE,),
        pick=list,
    ),
    Check(
        "statistics.latent.latent_classes",
        "118 slides, 7 pathologists, 3 classes: log-likelihood and BIC",
        (-293.705, 697.136),
        5e-4,
        data.POLCA,
        (data.VOTES_ON_SLIDES, np.array(list(data.SLIDES.values())), 3),
        {"all_seen": True},
        pick=_attributes("log_likelihood", "bic"),
    ),
    Check(
        "statistics.raters.williams_index",
        "raters 111000, 110000, 011100, model 111000 (Dice)",
        (1.32143,),
        5e-6,
        "Williams 1976, doi:10.2307/2529750, computed by hand",
        options={"model_rater": [[1, 4 / 5, 2 / 3]], "rater_rater": [[4 / 5, 2 / 3, 2 / 5]]},
        pick=_attributes("value"),
    ),
    Check(
        "statistics.raters.generalized_energy_distance",
        "{1100, 1100} against {1100, 1110}, squared, V",
        (0.16667,),
        5e-6,
        "Székely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018, computed by hand",
        options={"d_xy": [[0, 1 / 3], [0, 1 / 3]], "d_xx": np.zeros((2, 2)), "d_yy": [[0, 1 / 3], [1 / 3, 0]]},
    ),
    Check(
        "qualities.reliability.spread.cv_over_seeds",
        "20 lengths: CV and its interval by McKay",
        (0.5777, 0.4144, 1.0848),
        5e-5,
        data.CVCQV,
        (data.LENGTHS,),
        pick=_attributes("value", "low", "high"),
    ),
    Check(
        "masks.outlines.surface_distances",
        "square and cross, 11 × 11: largest from each side",
        (1, 2),
        1e-12,
        data.BY_HAND,
        (data.SQUARE, data.CROSSED),
        pick=lambda found: (found.a_to_b.max(), found.b_to_a.max()),
    ),
    Check(
        "masks.outlines.hausdorff_distance",
        "square and cross, 11 × 11: HD",
        (2,),
        1e-12,
        data.BY_HAND,
        (data.DISTANCES, 100),
    ),
    Check(
        "masks.outlines.average_surface_distance",
        "square and cross, 11 × 11: ASSD",
        (0.444,),
        5e-4,
        data.BY_HAND,
        (data.DISTANCES,),
    ),
    Check(
        "masks.outlines.normalized_surface_dice",
        "square and cross, 11 × 11: NSD(1)",
        (0.889,),
        5e-4,
        data.BY_HAND,
        (data.DISTANCES, 1),
    ),
    Check(
        "masks.overlaps.pixel_agreement",
        "square and cross, 11 × 11: IoU",
        (0.758,),
        5e-4,
        data.BY_HAND,
        (data.SQUARE, data.CROSSED),
        pick=lambda found: (found[1],),
    ),
    Check(
        "masks.overlaps.match_objects",
        "3 against 2 objects: F1 at IoU > .5 and > .75",
        (0.8, 0.4),
        1e-12,
        data.BY_HAND,
        (*data.LABELS, (0.5, 0.75)),
        pick=lambda found: found.f1.tolist(),
    ),
    Check(
        "masks.boundaries.boundary_iou",
        "7 × 7 and 7 × 6 pixels: rims of 24 and 22, 17 in common",
        (17 / 29,),
        1e-12,
        data.BY_HAND,
        (*data.RIMS,),
        {"width": 1},
    ),
    Check(
        "masks.boundaries.centreline_dice",
        "a line of 6 pixels and half of it",
        (2 / 3,),
        1e-12,
        data.BY_HAND,
        (data.LINE, data.HALF_A_LINE, data.LINE, data.HALF_A_LINE),
    ),
    Check(
        "masks.boundaries.mean_average_surface_distance",
        "distances 0, 1 and, back, 2",
        (1.25,),
        1e-12,
        data.BY_HAND,
        (data.FEW_DISTANCES,),
    ),
    Check(
        "masks.free_response.froc",
        "3 predicted objects, 4 true ones, 2 images: false positives per image, sensitivity",
        (0, 0.5, 0.25, 0.5),
        1e-12,
        data.BY_HAND,
        ((0.9, 0.8, 0.8), (True, False, True)),
        {"n_objects": 4, "n_images": 2},
        pick=lambda curve: [*curve[0], *curve[1]],
    ),
    Check(
        "masks.free_response.mean_sensitivity",
        "the same curve at 1/4 and 1 false positives per image",
        (0.375,),
        1e-12,
        data.BY_HAND,
        (np.array([0, 0.5]), np.array([0.25, 0.5]), (0.25, 1)),
    ),
    Check(
        "masks.shape.axis_ratios",
        "digital phantom of 74 voxels: elongation",
        (0.816,),
        5e-4,
        "IBSI, Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145",
        (data.PHANTOM, (2, 2, 2)),
        pick=lambda ratios: ratios.tolist(),
    ),
    Check(
        "masks.shape.solidities",
        "3 pixels in a corner, whose hull is 3.5",
        (3 / 3.5,),
        1e-12,
        data.BY_HAND,
        (data.CORNER,),
        pick=lambda shares: shares.tolist(),
    ),
    Check(
        "consensus.pixels.staple",
        "1100, 1110, 1000: mask 1100; three sensitivities; three specificities",
        (1, 1, 0, 0, 1, 1, 0.5, 1, 0.5, 1),
        1e-4,
        "Warfield 2004, doi:10.1109/TMI.2004.828354, computed by hand",
        (data.RATERS,),
        pick=lambda found: (*map(float, found.mask), *found.sensitivity, *found.specificity),
    ),
)
"""Checks that need only this package."""
