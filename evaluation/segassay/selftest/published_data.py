"""Published data on which the self-test calls the estimators, each with its source."""

import math

import numpy as np
from skimage.morphology import skeletonize

from segassay.masks.outlines import SurfaceDistances, surface_distances

FLEISS = "Fleiss 1971, doi:10.1037/h0031619"
DIAGNOSES = (  # 30 patients, one digit per psychiatrist
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
PATIENTS = [[patient.count(diagnosis) for diagnosis in "12345"] for patient in DIAGNOSES.split()]
TEN_SUBJECTS = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]
COHEN = "Cohen 1960, doi:10.1177/001316446002000104"
GWET = "Gwet 2008, doi:10.1348/000711006X126600"

KRIPPENDORFF = "Krippendorff 2011, repository.upenn.edu/asc_papers/43"
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")  # one digit per unit, . is missing
VALUES = np.array([[math.nan if value == "." else float(value) for value in observer] for observer in OBSERVERS])

SHROUT = "Shrout & Fleiss 1979, doi:10.1037/0033-2909.86.2.420"
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
ICC_FORMS = ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]
G_STUDY = "as a G-study of Shrout & Fleiss 1979; Brennan 2001, doi:10.1007/978-1-4757-3456-0"
COMPONENTS = {"case": 2.555556, "rater": 5.244444, "residual": 1.019444}

BLAND = "Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8"
LIN = "Lin 1989, doi:10.2307/2532051, on the data of Bland & Altman 1986"
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
WRIGHT_AGAIN = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

HOLLANDER = "Hollander & Wolfe 1973"
MUCUS = [[2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]]
PAIN = ([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4])
SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
AT_WEEK_26 = [1.15, 0.88, 0.90, 0.74, 1.21]
NIST = "NIST/SEMATECH e-Handbook 1.3.5.17.1; Grubbs 1969, doi:10.1080/00401706.1969.10490657"
ISOTOPES = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57]
SEGEBARTH = "Segebarth et al. 2020, table 1, doi:10.7554/eLife.59780"
U_IS_10 = (
    [0, 1, 2, 3, 4, 5, 6, 7, 15, 100],
    [10, 20, 30, 40, 50, 60, 70, 80, 90],
)  # any samples of 10 and 9 values with this U
U_IS_0 = (range(10), range(10, 20))

DAVIES = "Davies 1947, REML as in lme4, doi:10.18637/jss.v067.i01"
DYESTUFF = [
    *([1545, 1440, 1440, 1520, 1580], [1540, 1555, 1490, 1560, 1495], [1595, 1550, 1605, 1510, 1560]),
    *([1445, 1440, 1595, 1465, 1545], [1595, 1630, 1515, 1635, 1625], [1520, 1455, 1450, 1480, 1445]),
]
CONOVER = "Conover 1999, p. 371; Iman & Davenport 1980, doi:10.1080/03610928008827904"
GRASS = [
    *([4, 3, 2, 1], [4, 2, 3, 1], [3, 1.5, 1.5, 4], [3, 1, 2, 4], [4, 2, 1, 3], [2, 2, 2, 4]),
    *([1, 3, 2, 4], [2, 4, 1, 3], [3.5, 1, 2, 3.5], [4, 1, 3, 2], [4, 2, 3, 1], [3.5, 1, 2, 3.5]),
]
CICCHETTI = "Cicchetti & Feinstein 1990, doi:10.1016/0895-4356(90)90159-M"
CVCQV = "Altunkaynak & Gamgam, R package cvcqv; McKay 1932, doi:10.2307/2342041"
LENGTHS = [0.2, 0.5, 1.1, 1.4, 1.8, 2.3, 2.5, 2.7, 3.5, 4.4, 4.6, 5.4, 5.4, 5.7, 5.8, 5.9, 6, 6.6, 7.1, 7.9]

BY_HAND = "computed by hand"
CORNER = np.array([[1, 0], [1, 1]])
PHANTOM = np.ones((4, 4, 5), dtype=int)
PHANTOM[[1, 2, 2, 2, 3, 3], [2, 0, 0, 2, 0, 0], [0, 3, 4, 2, 3, 4]] = 0
SQUARE = np.zeros((11, 11), dtype=bool)
SQUARE[3:8, 3:8] = True
CROSSED = SQUARE.copy()
CROSSED[5, 1:10] = CROSSED[1:10, 5] = True


DISTANCES = surface_distances(SQUARE, CROSSED)
RATERS = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
LABELS = (np.array([[1, 1, 1, 0, 2, 2, 0, 3]]), np.array([[1, 1, 0, 0, 2, 2, 0, 0]]))

POLCA = "R package poLCA, Linzer & Lewis 2011, doi:10.18637/jss.v042.i10; Landis & Koch 1977, doi:10.2307/2529786"
SLIDES = {
    **{"0000000": 34, "0000100": 2, "0100000": 6, "0100001": 1, "0100100": 4, "0100101": 5, "1000000": 2},
    **{"1010101": 1, "1100000": 2, "1100001": 1, "1100100": 2, "1100101": 7, "1100111": 1, "1101001": 1},
    **{"1101101": 2, "1101111": 3, "1110101": 13, "1110111": 5, "1111101": 10, "1111111": 16},
}
VOTES_ON_SLIDES = np.array([[int(vote) for vote in pattern] for pattern in SLIDES])

SPEARMAN = "Spearman 1904, doi:10.2307/1412159"
MEASURED_TWICE = ((1.0, 0.64, 0.8), (0.64, 1.0, 0.8), (0.8, 0.8, 1.0))  # r = √reliability, by his correction

RIMS = np.zeros((2, 9, 9), dtype=bool)
RIMS[0, 1:8, 1:8], RIMS[1, 1:8, 1:7] = True, True
LINE = np.ones((1, 6), dtype=bool)
HALF_A_LINE = LINE & (np.arange(6) < 3)
FEW_DISTANCES = SurfaceDistances(np.array([0.0, 1.0]), np.array([2.0]))


PITFALLS = "Reinke et al. 2024, doi:10.1038/s41592-023-02150-0, as tested in MetricsReloaded"
"""Figures of the article; their masks and values are those of its authors' tests (commit cb38dfc)."""
LARGE, SHIFTED = np.zeros((2, 22, 22), dtype=bool)
LARGE[2:21, 2:21], SHIFTED[3:21, 2:21] = True, True
SMALL, SMALLER, LARGER = np.zeros((3, 14, 14), dtype=bool)
SMALL[5:9, 5:9], SMALLER[6:8, 6:8], LARGER[4:10, 4:10] = True, True, True
FOUND, WITH_A_SPECK = np.zeros((2, 14, 14), dtype=bool)
FOUND[9:12, 9:12] = WITH_A_SPECK[9:12, 9:12] = WITH_A_SPECK[1, 1] = True
_TUBES = """
........................ .......33733............ .......33733............ .......33733............
.......33733............ .......33733............ .......33733............ .......33733............
.......33733............ .......33733............ ...3333337333331111..... ...3777777777775551.....
...15..........1151...5. ...15..........1151...5. .5555..........155555555 ..5.5..........15....5..
..5.5..........15....5.. ....5555....5..15..5.... ....55......5..15555.... .....5......55555.......
............5........... ............5........... ........................ ........................
"""  # 1: reference, 2 more: thick tubes alone, 4 more: all tubes, thinner
_BITS = np.array([[int(pixel.replace(".", "0")) for pixel in row] for row in _TUBES.split()])
TUBES, THICK_TUBES, THIN_TUBES = (_BITS & bit > 0 for bit in (1, 2, 4))


def with_skeletons(*masks: np.ndarray) -> tuple[np.ndarray, ...]:
    """The masks and their skeletons after Zhang & Suen (1984), which the published values of clDice rest on."""
    return (*masks, *(skeletonize(mask) for mask in masks))


CAMELYON = "Bejnordi et al. 2017, doi:10.1001/jama.2017.14585, as tested in MONAI (tests/test_compute_froc.py)"
FD_SHIFTS = "Traub et al. 2024, arXiv:2407.01032, as tested in fd-shifts (commit c4467ae)"
N_ORDERED = 100
RISKS = {
    "1 and 0 in turn": np.arange(1, N_ORDERED + 1) % 2,
    ".8, .6, .4, .2, 25 each": np.repeat([0.8, 0.6, 0.4, 0.2], 25),
}
"""From the least certain image to the most certain."""


def as_trapezoids(risks: np.ndarray, aurc: np.ndarray) -> tuple[float]:
    """AURC as fd-shifts reports it: the area under straight lines between the points, level before the first.

    The mean of the risks, as Geifman et al. (2019) define it, is larger by half a step of the last risk less the first.
    """
    return (float(aurc[0] + (risks[-1] - risks.mean()) / (2 * len(risks))),)
