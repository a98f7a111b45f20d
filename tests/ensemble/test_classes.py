"""What the outputs of a model of classes mean: entropies against scipy, ties, and the values of regions."""

import numpy as np
import torch
from scipy.stats import entropy as reference

from segassay_monai.ensemble.classes import class_masks, entropy, values_of

CLASSES = (("zone", (1,)), ("tumour", (4,)))


def test_entropy_equals_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    prob = rng.dirichlet([0.4, 0.4, 0.4], size=50)  # background, zone, tumour
    found = entropy(torch.from_numpy(prob[:, 1:].T[None]), CLASSES)[0, 0]
    np.testing.assert_allclose(found, reference(prob, base=3, axis=1), atol=1e-12)
    certain = torch.eye(3, dtype=torch.float64)[:, 1:].T[None]
    assert entropy(certain, CLASSES).abs().max() == 0
    regions = torch.from_numpy(rng.random((1, 2, 9)))
    nested = (("organ", (1, 4)), ("tumour", (4,)))
    expected = np.mean([reference([p, 1 - p], base=2) for p in regions[0].numpy()], axis=0)
    np.testing.assert_allclose(entropy(regions, nested)[0, 0], expected, atol=1e-12)


def test_where_two_are_equally_probable() -> None:
    prob = torch.tensor([[[0.5, 0.25, 0.4, 0.2], [0.0, 0.25, 0.4, 0.5]]])
    found = values_of(class_masks(prob, CLASSES)[0].numpy(), CLASSES)
    assert found.tolist() == [0, 0, 1, 4]


def test_values_of_regions_do_not_depend_on_their_order() -> None:
    masks = {"whole": [1, 1, 1, 0], "core": [0, 1, 1, 0], "edge": [0, 0, 1, 0]}
    values = {"whole": (1, 2, 3), "core": (2, 3), "edge": (3,)}
    for names in (["whole", "core", "edge"], ["edge", "whole", "core"], ["core", "edge", "whole"]):
        drawn = np.array([masks[name] for name in names], dtype=bool)
        assert values_of(drawn, [(name, values[name]) for name in names]).tolist() == [1, 2, 3, 0]
