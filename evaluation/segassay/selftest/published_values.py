"""Published values that the estimators must give, each with its source: a list that one can read.

    Check: estimator, arguments  ->  numbers, beside those that are published

The reference values are those that the documentation of the estimators cites. Checks of real images need lab-wue1 of
Segebarth et al. 2020 and read the tables of an evaluation of its raters.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segassay.masks.outlines import surface_distances

__all__ = ["CHECKS", "CHECKS_OF_LAB_WUE1", "Check", "CheckOfImages"]


@dataclass(frozen=True, eq=False)
class Check:
    """One call whose result is published.

    Attributes:
        estimator: Module and function, such as `statistics.reliability.phi`.
        what: Data and quantity, in words.
        arguments: Of the call.
        options: Keyword arguments of the call.
        pick: Numbers out of the result; by default the result is a number itself.
        expected: The published numbers.
        tolerance: Largest difference that passes: half a unit of the last published digit, where nothing else is said.
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


@dataclass(frozen=True, eq=False)
class CheckOfImages:
    """Numbers of an evaluation of lab-wue1.

    Attributes:
        estimator: What they come from, such as `masks.overlaps.match_objects`.
        what: As of `Check`.
        expected: As of `Check`.
        tolerance: As of `Check`.
        source: As of `Check`.
        pick: Numbers out of the tables `agreement`, `leave_one_out`, `counts` and `effects`.
    """

    estimator: str
    what: str
    expected: tuple[float, ...]
    tolerance: float
    source: str
    pick: Callable[[Mapping[str, pd.DataFrame]], Sequence[float]]


# ------------------------------------------------------------------------------------------------------ published data

_FLEISS = "Fleiss 1971, doi:10.1037/h0031619"
_DIAGNOSES = (  # 30 patients, one digit per psychiatrist
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
_PATIENTS = [[patient.count(diagnosis) for diagnosis in "12345"] for patient in _DIAGNOSES.split()]
_TEN_SUBJECTS = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]
_COHEN = "Cohen 1960, doi:10.1177/001316446002000104"
_GWET = "Gwet 2008, doi:10.1348/000711006X126600"

_KRIPPENDORFF = "Krippendorff 2011, repository.upenn.edu/asc_papers/43"
_OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")  # one digit per unit, . is missing
_VALUES = np.array([[math.nan if value == "." else float(value) for value in observer] for observer in _OBSERVERS])

_SHROUT = "Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420"
_JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
_ICC_FORMS = ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]
_G_STUDY = "as a G-study of Shrout & Fleiss 1979; Brennan 2001, doi:10.1007/978-1-4757-3456-0"
_COMPONENTS = {"case": 2.555556, "rater": 5.244444, "residual": 1.019444}

_BLAND = "Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8"
_LIN = "Lin 1989, doi:10.2307/2532051, on the data of Bland & Altman 1986"
_WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
_WRIGHT_AGAIN = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
_MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

_HOLLANDER = "Hollander & Wolfe 1973"
_MUCUS = [[2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]]
_AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
_AT_WEEK_26 = [1.15, 0.88, 0.90, 0.74, 1.21]
_NIST = "NIST/SEMATECH e-Handbook 1.3.5.17.1; Grubbs 1969, doi:10.1080/00401706.1969.10490657"
_ISOTOPES = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57]
_SEGEBARTH = "Segebarth et al. 2020, table 1, doi:10.7554/eLife.59780"
_U_IS_10 = ([0, 1, 2, 3, 4, 5, 6, 7, 15, 100], [10, 20, 30, 40, 50, 60, 70, 80, 90])  # any samples of 10 and 9 do
_U_IS_0 = (range(10), range(10, 20))

_DAVIES = "Davies 1947, REML as in lme4, doi:10.18637/jss.v067.i01"
_DYESTUFF = [
    *([1545, 1440, 1440, 1520, 1580], [1540, 1555, 1490, 1560, 1495], [1595, 1550, 1605, 1510, 1560]),
    *([1445, 1440, 1595, 1465, 1545], [1595, 1630, 1515, 1635, 1625], [1520, 1455, 1450, 1480, 1445]),
]
_CONOVER = "Conover 1999, p. 371; Iman & Davenport 1980, doi:10.1080/03610928008827904"
_GRASS = [
    *([4, 3, 2, 1], [4, 2, 3, 1], [3, 1.5, 1.5, 4], [3, 1, 2, 4], [4, 2, 1, 3], [2, 2, 2, 4]),
    *([1, 3, 2, 4], [2, 4, 1, 3], [3.5, 1, 2, 3.5], [4, 1, 3, 2], [4, 2, 3, 1], [3.5, 1, 2, 3.5]),
]
_CICCHETTI = "Cicchetti & Feinstein 1990, doi:10.1016/0895-4356(90)90159-M"
_CVCQV = "Altunkaynak & Gamgam, R package cvcqv; McKay 1932, doi:10.2307/2342041"
_LENGTHS = [0.2, 0.5, 1.1, 1.4, 1.8, 2.3, 2.5, 2.7, 3.5, 4.4, 4.6, 5.4, 5.4, 5.7, 5.8, 5.9, 6, 6.6, 7.1, 7.9]

_BY_HAND = "worked by hand"
_SQUARE = np.zeros((11, 11), dtype=bool)
_SQUARE[3:8, 3:8] = True
_CROSSED = _SQUARE.copy()
_CROSSED[5, 1:10] = _CROSSED[1:10, 5] = True


_DISTANCES = surface_distances(_SQUARE, _CROSSED)
_RATERS = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
_LABELS = (np.array([[1, 1, 1, 0, 2, 2, 0, 3]]), np.array([[1, 1, 0, 0, 2, 2, 0, 0]]))


def _column(name: str) -> Callable[[pd.DataFrame], Sequence[float]]:
    return lambda table: table[name].tolist()


def _attributes(*names: str) -> Callable[[Any], Sequence[float]]:
    return lambda result: [getattr(result, name) for name in names]


# ---------------------------------------------------------------------------------------------------------- the checks

CHECKS: tuple[Check, ...] = (
    Check("statistics.chance.fleiss_kappa", "30 patients, 6 psychiatrists", (0.430245,), 5e-7, _FLEISS, (_PATIENTS,)),
    Check(
        "statistics.chance.randolph_kappa",
        "30 patients, 6 psychiatrists",
        (0.444444,),
        5e-7,
        "Randolph 2005, ERIC ED490661, on Fleiss 1971",
        (_PATIENTS,),
    ),
    Check("statistics.chance.fleiss_kappa", "10 subjects, 14 raters", (0.209931,), 5e-7, _FLEISS, (_TEN_SUBJECTS,)),
    Check("statistics.chance.cohen_kappa", "20, 5, 10, 15", (0.40,), 5e-3, _COHEN, ([[20, 5], [10, 15]],)),
    Check(
        "statistics.chance.cohen_kappa",
        "118, 5, 2, 0: prevalence paradox",
        (-0.0234,),
        5e-5,
        _GWET,
        ([[118, 5], [2, 0]],),
    ),
    Check(
        "statistics.chance.gwet_ac1",
        "118, 5, 2, 0: prevalence paradox",
        (0.9408,),
        5e-5,
        _GWET,
        ([[2, 0], [1, 1], [0, 2]], [118, 7, 0]),
    ),
    *(
        Check(
            "statistics.chance.krippendorff_alpha",
            f"4 observers, 12 units, {level}",
            (value,),
            5e-4,
            _KRIPPENDORFF,
            (_VALUES, level),
        )
        for level, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797))
    ),
    Check(
        "statistics.reliability.icc",
        "6 targets, 4 judges: ICC(1,1), (A,1), (C,1), (1,k), (A,k), (C,k)",
        (0.1657, 0.2898, 0.7148, 0.4428, 0.6201, 0.9093),
        5e-5,
        _SHROUT,
        (_JUDGES,),
        pick=lambda table: table.loc[_ICC_FORMS, "value"].tolist(),
    ),
    Check("statistics.reliability.icc_a1", "6 targets, 4 judges: ICC(A,1)", (0.2898,), 5e-5, _SHROUT, (_JUDGES,)),
    Check("statistics.reliability.icc_ak", "6 targets, 4 judges: ICC(A,k)", (0.6201,), 5e-5, _SHROUT, (_JUDGES,)),
    Check(
        "statistics.reliability.icc_a1_weighted",
        "6 targets, 4 judges: ICC(A,1) with weights of 1",
        (0.2898,),
        5e-5,
        _SHROUT,
        (np.ones((1, 6)), _JUDGES),
        pick=list,
    ),
    Check(
        "statistics.reliability.icc_ak_weighted",
        "6 targets, 4 judges: ICC(A,k) with weights of 1",
        (0.6201,),
        5e-5,
        _SHROUT,
        (np.ones((1, 6)), _JUDGES),
        pick=list,
    ),
    Check(
        "statistics.components.two_way_components",
        "6 targets, 4 judges: target, judge, residual (REML)",
        (2.5556, 5.2444, 1.0194),
        5e-5,
        _G_STUDY,
        (_JUDGES,),
        pick=_column("reml"),
    ),
    Check(
        "statistics.components.crossed_components",
        "6 targets, 4 judges: target, judge, residual (REML)",
        (2.5556, 5.2444, 1.0194),
        5e-5,
        _G_STUDY,
        (np.ones((1, 6)), np.array(_JUDGES, dtype=float)),
        pick=lambda components: components[0].tolist(),
    ),
    *(
        Check("statistics.reliability.phi", f"6 targets, {n} judges: Φ", (value,), 5e-5, _G_STUDY, (_COMPONENTS, n))
        for n, value in ((1, 0.2898), (2, 0.4493), (4, 0.6201), (8, 0.7655))
    ),
    Check(
        "statistics.reliability.d_study",
        "1, 2, 4, 8 judges: Φ",
        (0.2898, 0.4493, 0.6201, 0.7655),
        5e-5,
        _G_STUDY,
        (_COMPONENTS,),
        {"n_raters": (1, 2, 4, 8)},
        pick=_column("phi"),
    ),
    Check(
        "statistics.reliability.e_rho_squared",
        "4 judges: Eρ², which is ICC(C,k)",
        (0.9093,),
        5e-5,
        _SHROUT,
        (_COMPONENTS, 4),
    ),
    Check("statistics.reliability.sem", "6 targets, 4 judges: SEM", (2.5028,), 5e-5, _G_STUDY, (_COMPONENTS,)),
    Check("statistics.reliability.mdc95", "6 targets, 4 judges: MDC95", (6.9373,), 5e-5, _G_STUDY, (_COMPONENTS,)),
    Check(
        "statistics.reliability.repeatability_coefficient",
        "peak flow of 17 people, twice: sd within a person × √2",
        (21.6,),
        0.05,
        _BLAND,
        (np.transpose([_WRIGHT, _WRIGHT_AGAIN]),),
        pick=lambda value: (value / 1.96,),
    ),
    Check(
        "statistics.methods.bland_altman",
        "peak flow by two meters: bias, sd, SE of bias, SE of limit",
        (-2.1, 38.8, 9.4, 16.3),
        0.05,
        _BLAND,
        (_WRIGHT, _MINI),
        pick=_attributes("bias", "sd", "bias_se", "limit_se"),
    ),
    Check("statistics.methods.lins_ccc", "peak flow by two meters", (0.9427,), 5e-5, _LIN, (_WRIGHT, _MINI)),
    Check(
        "statistics.groups.kruskal_wallis",
        "clearance of mucus: H, p",
        (0.771429, 0.679965),
        5e-7,
        f"{_HOLLANDER}, p. 116",
        (_MUCUS,),
        pick=_attributes("statistic", "p_value"),
    ),
    Check(
        "statistics.groups.kruskal_wallis",
        "clearance of mucus: ε²",
        (0.0593,),
        5e-5,
        f"{_HOLLANDER}, p. 116",
        (_MUCUS,),
        pick=_attributes("epsilon_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "permeability of membranes: U, exact p, Z, η², rank-biserial",
        (35, 0.2544, 1.2247, 0.1000, 0.40),
        5e-5,
        f"{_HOLLANDER}, p. 69",
        (_AT_TERM, _AT_WEEK_26),
        pick=_attributes("statistic", "p_exact", "z", "eta_squared", "rank_biserial"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 9, U 10: asymptotic p, exact p",
        (0.005, 0.003),
        5e-4,
        _SEGEBARTH,
        _U_IS_10,
        pick=_attributes("p_value", "p_exact"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 9, U 10: η²",
        (0.43,),
        5e-3,
        _SEGEBARTH,
        _U_IS_10,
        pick=_attributes("eta_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 10, U 0: η²",
        (0.71,),
        5e-3,
        _SEGEBARTH,
        _U_IS_0,
        pick=_attributes("eta_squared"),
    ),
    Check(
        "statistics.groups.mann_whitney",
        "n 10 and 10, U 0: p between 0 and .001",
        (0.0005,),
        5e-4,
        _SEGEBARTH,
        _U_IS_0,
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
        _NIST,
        (_ISOTOPES,),
        pick=_attributes("statistic"),
    ),
    Check(
        "statistics.groups.grubbs",
        "8 isotope ratios: critical G at .05, two-sided",
        (2.1266,),
        5e-5,
        _NIST,
        (_ISOTOPES,),
        pick=_attributes("critical"),
    ),
    Check(
        "statistics.components.one_way_components",
        "dyestuff: batch, residual (REML)",
        (1764.05, 2451.25),
        5e-3,
        _DAVIES,
        (_DYESTUFF,),
        pick=_column("reml"),
    ),
    Check(
        "statistics.groups.mixed_model",
        "dyestuff: batch, residual (REML), mean",
        (1764.05, 2451.25, 1527.5),
        5e-3,
        _DAVIES,
        (np.ravel(_DYESTUFF), np.zeros(30, dtype=int), np.repeat(list("ABCDEF"), 5)),
        {"n_groups": 1},
        pick=lambda fit: (fit.variance_subject, fit.variance_residual, fit.mean[0]),
    ),
    Check(
        "statistics.raters.friedman",
        "12 gardeners, 4 grasses: χ², F",
        (8.097, 3.192),
        5e-4,
        _CONOVER,
        (_GRASS,),
        pick=_attributes("chi_squared", "f"),
    ),
    Check(
        "statistics.raters.positive_agreement",
        "100 patients: 40 both, 9 and 6 one",
        (0.84,),
        5e-3,
        _CICCHETTI,
        (40, 49, 46),
    ),
    Check(
        "statistics.raters.positive_agreement",
        "100 patients: 80 both, 10 and 5 one",
        (0.91,),
        5e-3,
        _CICCHETTI,
        (80, 90, 85),
    ),
    Check(
        "statistics.raters.williams_index",
        "raters 111000, 110000, 011100, model 111000 (Dice)",
        (1.32143,),
        5e-6,
        "Williams 1976, doi:10.2307/2529750, worked by hand",
        options={"model_rater": [[1, 4 / 5, 2 / 3]], "rater_rater": [[4 / 5, 2 / 3, 2 / 5]]},
        pick=_attributes("value"),
    ),
    Check(
        "statistics.raters.generalized_energy_distance",
        "{1100, 1100} against {1100, 1110}, squared, V",
        (0.16667,),
        5e-6,
        "Székely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018, worked by hand",
        options={"d_xy": [[0, 1 / 3], [0, 1 / 3]], "d_xx": np.zeros((2, 2)), "d_yy": [[0, 1 / 3], [1 / 3, 0]]},
    ),
    Check(
        "qualities.reliability.spread.cv_over_seeds",
        "20 lengths: CV and its interval by McKay",
        (0.5777, 0.4144, 1.0848),
        5e-5,
        _CVCQV,
        (_LENGTHS,),
        pick=_attributes("value", "low", "high"),
    ),
    Check(
        "masks.outlines.surface_distances",
        "square and cross, 11 × 11: largest from each side",
        (1, 2),
        1e-12,
        _BY_HAND,
        (_SQUARE, _CROSSED),
        pick=lambda found: (found.a_to_b.max(), found.b_to_a.max()),
    ),
    Check(
        "masks.outlines.hausdorff_distance", "square and cross, 11 × 11: HD", (2,), 1e-12, _BY_HAND, (_DISTANCES, 100)
    ),
    Check(
        "masks.outlines.average_surface_distance",
        "square and cross, 11 × 11: ASSD",
        (0.444,),
        5e-4,
        _BY_HAND,
        (_DISTANCES,),
    ),
    Check(
        "masks.outlines.normalized_surface_dice",
        "square and cross, 11 × 11: NSD(1)",
        (0.889,),
        5e-4,
        _BY_HAND,
        (_DISTANCES, 1),
    ),
    Check(
        "masks.overlaps.pixel_agreement",
        "square and cross, 11 × 11: IoU",
        (0.758,),
        5e-4,
        _BY_HAND,
        (_SQUARE, _CROSSED),
        pick=lambda found: (found[1],),
    ),
    Check(
        "masks.overlaps.match_objects",
        "3 against 2 objects: F1 at IoU > .5 and > .75",
        (0.8, 0.4),
        1e-12,
        _BY_HAND,
        (*_LABELS, (0.5, 0.75)),
        pick=lambda found: found.f1.tolist(),
    ),
    Check(
        "consensus.pixels.staple",
        "1100, 1110, 1000: mask 1100; three sensitivities; three specificities",
        (1, 1, 0, 0, 1, 1, 0.5, 1, 0.5, 1),
        1e-4,
        "Warfield 2004, doi:10.1109/TMI.2004.828354, worked by hand",
        (_RATERS,),
        pick=lambda found: (*map(float, found.mask), *found.sensitivity, *found.specificity),
    ),
)
"""Checks that need nothing but this package."""


# ---------------------------------------------------------------------------------------------------- checks of images

_LAB = "Segebarth et al. 2020, lab-wue1, doi:10.5061/dryad.4b8gtht9d; computed independently"
_EXPERTS = tuple(f"expert_{number}" for number in range(1, 6))
_Frames = Mapping[str, pd.DataFrame]


def _mean_of_pairs(measure: str, *pairs: tuple[str, str]) -> Callable[[_Frames], Sequence[float]]:
    """Mean over images at IoU > .5 of each pair."""

    def pick(frames: _Frames) -> Sequence[float]:
        rows = frames["agreement"].query("iou_threshold == 0.5").groupby(["annotator_a", "annotator_b"])[measure].mean()
        return [float(rows[pair]) for pair in pairs]

    return pick


def _totals(frames: _Frames) -> Sequence[float]:
    return frames["counts"].groupby("annotator")["n_objects"].sum()[[*_EXPERTS, "est_GT"]].astype(float).tolist()


def _own_scores(frames: _Frames) -> Sequence[float]:
    rows = frames["leave_one_out"].query("iou_threshold == 0.5 and annotator == rater")
    return (float(rows.groupby("rater")["f1"].mean().mean()),)


def _effects(test: str, *columns: str) -> Callable[[_Frames], Sequence[float]]:
    """Numbers of the pooled tests on counts of `est_GT`: against the control first, then between the others."""

    def pick(frames: _Frames) -> Sequence[float]:
        rows = frames["effects"]
        rows = rows[(rows["annotator"] == "est_GT") & (rows["measure"] == "count") & (rows["region"] == "")]
        rows = rows[(rows["unit"] == "case") & (rows["test"] == test)]
        return [float(value) for column in columns for value in rows[column]]

    return pick


CHECKS_OF_LAB_WUE1: tuple[CheckOfImages, ...] = (
    CheckOfImages(
        "masks.overlaps.match_objects",
        "F1 of five experts against est_GT, 36 images",
        (0.5076, 0.8121, 0.7723, 0.7894, 0.8101),
        5e-5,
        _LAB,
        _mean_of_pairs("f1", *(("est_GT", expert) for expert in _EXPERTS)),
    ),
    CheckOfImages(
        "masks.overlaps.match_objects",
        "expert_2 and expert_5: F1",
        (0.6699,),
        5e-5,
        _LAB,
        _mean_of_pairs("f1", ("expert_2", "expert_5")),
    ),
    CheckOfImages(
        "masks.overlaps.match_objects",
        "expert_2 and expert_5: mean IoU",
        (0.6306,),
        5e-5,
        _LAB,
        _mean_of_pairs("mean_iou", ("expert_2", "expert_5")),
    ),
    CheckOfImages(
        "masks.objects.label_objects",
        "objects of five experts and est_GT",
        (1559, 3297, 3612, 3900, 3315, 3296),
        0.5,
        _LAB,
        _totals,
    ),
    CheckOfImages(
        "consensus.pixels.staple",
        "mean F1 of the experts against the STAPLE of the others",
        (0.664,),
        5e-4,
        _LAB,
        _own_scores,
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: η², control against two groups and between these",
        (0.623, 0.681, 0.056),
        5e-4,
        _LAB,
        _effects("mann_whitney", "eta_squared"),
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: p of both groups against the control",
        (1.2e-4, 6e-5),
        5e-6,
        _LAB,
        lambda frames: _effects("mann_whitney", "p_value")(frames)[:2],
    ),
    CheckOfImages(
        "statistics.groups.mann_whitney",
        "est_GT, counts: p between the two groups",
        (0.26,),
        5e-3,
        _LAB,
        lambda frames: _effects("mann_whitney", "p_value")(frames)[2:],
    ),
    CheckOfImages(
        "statistics.groups.kruskal_wallis",
        "est_GT, counts: H of three groups",
        (21.84,),
        5e-3,
        _LAB,
        _effects("kruskal_wallis", "statistic"),
    ),
)
"""Checks that need the images of lab-wue1."""
