"""Published values of estimators that need masks, objects or scores of images."""

from functools import partial

import numpy as np

from segassay.masks.outlines import surface_distances
from segassay.selftest import published_data as data
from segassay.selftest.check import Check

__all__ = ["CHECKS_OF_MASKS"]

CHECKS_OF_MASKS: tuple[Check, ...] = (
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
        "masks.outlines.hausdorff_distance",
        "a square, and one with a speck far away, 14 × 14: HD",
        (11.31,),
        5e-3,
        data.PITFALLS,
        (surface_distances(data.FOUND, data.WITH_A_SPECK), 100),
    ),
    Check(
        "masks.outlines.hausdorff_distance",
        "a square, and one with a speck far away, 14 × 14: HD95",
        (6.79,),
        5e-3,
        data.PITFALLS,
        (surface_distances(data.FOUND, data.WITH_A_SPECK),),
    ),
    *(
        Check(
            f"masks.{estimator}",
            f"4 × 4 pixels against {size}: {words}",
            (value,),
            within,
            data.PITFALLS,
            (surface_distances(mask, data.SMALL), *tolerance),
        )
        for estimator, words, within, *tolerance, (smaller, larger) in (
            ("outlines.average_surface_distance", "ASSD", 5e-3, (1.10, 1.05)),
            ("outlines.normalized_surface_dice", "NSD(1)", 5e-4, 1, (0.750, 0.875)),
            ("boundaries.mean_average_surface_distance", "MASD", 5e-3, (1.07, 1.04)),
        )
        for size, mask, value in (("2 × 2", data.SMALLER, smaller), ("6 × 6", data.LARGER, larger))
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
        "masks.boundaries.boundary_iou",
        "19 × 19 against 18 × 19 pixels, rims of 1",
        (0.6,),
        0.05,
        f"{data.PITFALLS}, fig. SN 2.12",
        (data.SHIFTED, data.LARGE),
        {"width": 1},
    ),
    Check(
        "masks.boundaries.boundary_iou",
        "19 × 19 against 18 × 19 pixels, rims of 2",
        (0.8,),
        0.05,
        f"{data.PITFALLS}, fig. SN 2.12",
        (data.SHIFTED, data.LARGE),
        {"width": 2},
    ),
    *(
        Check(
            "masks.boundaries.centreline_dice",
            f"branching tubes, 24 × 24, against {words}",
            (value,),
            5e-4,
            f"{data.PITFALLS}, fig. SN 2.14",
            data.with_skeletons(mask, data.TUBES),
        )
        for words, mask, value in (
            ("the thick ones alone", data.THICK_TUBES, 0.475),
            ("all of them, thinner", data.THIN_TUBES, 0.780),
        )
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
        "square and cross, 11 × 11: MASD",
        (0.425,),
        5e-4,
        data.PITFALLS,
        (data.DISTANCES,),
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
        "masks.free_response.froc",
        "6 predicted objects, 4 true ones, 2 images: mean of the lines between the points at 1/4, 1/2, 1, 2, 4, 8",
        (0.95833333,),
        5e-9,
        data.CAMELYON,
        ((1, 1, 0.8, 0.8, 0.8, 0.6), (True, True, True, True, False, False)),
        {"n_objects": 4, "n_images": 2},
        pick=lambda curve: (float(np.interp((0.25, 0.5, 1, 2, 4, 8), *curve).mean()),),
    ),
    *(
        Check(
            "qualities.reliability.selective.image_aurc",
            f"100 images, the less certain first: risks {words}",
            (value,),
            5e-9,
            data.FD_SHIFTS,
            (np.ones((1, data.N_ORDERED)), np.stack([-np.arange(data.N_ORDERED), risks], axis=1)),
            pick=partial(data.as_trapezoids, risks),
        )
        for (words, risks), value in zip(data.RISKS.items(), (0.48281113, 0.31820853), strict=True)
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
