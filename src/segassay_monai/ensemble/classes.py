"""Classes of a model: what its outputs mean, and how they become probabilities, masks and label images.

    logits (B, outputs, *spatial) -> probabilities (B, K, *spatial) -> masks (K, *spatial) -> values (*spatial)

Classes are pairs of a name and its values in masks, in the order of the outputs. If no value is in two classes, they
are exclusive: a pixel belongs to one of them or to the background, and the outputs are the background and the classes
(softmax). Else they are regions, as of nnU-Net: each has an output of its own (sigmoid). A model without classes has
one output, the foreground (sigmoid). Probabilities never hold the background, which is what is missing to 1.

A model of objects that touch has one foreground and a second output (sigmoid), the depth of each pixel in its object.

An exported bundle can carry this module unchanged: it imports torch, numpy and modules of this kind only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log2

import numpy as np
import torch
from torch import nn

from .region_values import values_of_regions

Classes = Sequence[tuple[str, Sequence[int]]]
"""Name and values of each class; empty for a model of one foreground."""

SEPARATE, TOUCHING = "separate", "touching"
OBJECTS = (SEPARATE, TOUCHING)
"""What a model says of objects: their foreground alone, whose connected pixels are one object; or also the depth of
each pixel in its object (`segassay.masks.depth`), along whose valleys objects that touch are divided."""

THRESHOLD = 0.5
"""A mask is where the probability exceeds this; of exclusive classes, where no other is more probable."""


def is_exclusive(classes: Classes) -> bool:
    """Whether a pixel belongs to one class at most; False without classes.

    Example:
        >>> is_exclusive([("zone", [1]), ("tumour", [2])]), is_exclusive([("organ", [1, 2]), ("tumour", [2])])
        (True, False)
    """
    values = [value for _, of_class in classes for value in of_class]
    return bool(classes) and len(values) == len(set(values))


def n_outputs(classes: Classes, objects: str = SEPARATE) -> int:
    """Number of outputs of a network; one more than of the foreground for the depth of objects that touch.

    Example:
        >>> n_outputs([]), n_outputs([("zone", [1]), ("tumour", [2])]), n_outputs([("organ", [1, 2]), ("tumour", [2])])
        (1, 3, 2)
        >>> n_outputs([], TOUCHING)
        2
    """
    if objects == TOUCHING:
        return 2
    return len(classes) + 1 if is_exclusive(classes) else max(len(classes), 1)


def plain_classes(classes: Classes) -> list[list[object]]:
    """Classes as lists, for a file; in their order, which a mapping would lose where it is compared."""
    return [[name, [int(value) for value in values]] for name, values in classes]


def same_classes(one: Classes, other: Classes) -> bool:
    """Whether both have the same names with the same values, in any order.

    Example:
        >>> same_classes([("a", [1]), ("b", [2])], [("b", (2,)), ("a", (1,))]), same_classes([("a", [1])], [("a", [2])])
        (True, False)
    """
    return {name: set(values) for name, values in one} == {name: set(values) for name, values in other}


def names_of(classes: Classes) -> str:
    """Classes in a message.

    Example:
        >>> names_of([("organ", [1, 2]), ("tumour", [2])]), names_of([])
        ('the classes organ (1, 2), tumour (2)', 'one foreground')
    """
    said = ", ".join(f"{name} ({', '.join(map(str, values))})" for name, values in classes)
    return f"the classes {said}" if classes else "one foreground"


def metric_names(classes: Classes) -> list[str]:
    """Name of each class as a part of the name of a metric, which MLflow restricts; unique.

    Example:
        >>> metric_names([("tumour (solid)", [1]), ("tumour [solid]", [2]), ("zone/a", [3])])
        ['tumour _solid_', 'tumour _solid__2', 'zone_a']
    """
    names: list[str] = []
    for number, (name, _) in enumerate(classes, start=1):
        allowed = re.sub(r"[^\w.\- ]", "_", name)
        names.append(f"{allowed}_{number}" if allowed in names else allowed)
    return names


class Probabilities(nn.Module):
    """Logits `(B, outputs, *spatial)` become probabilities `(B, K, *spatial)`, one channel per class.

    Args:
        classes: Of the model.

    Example:
        >>> Probabilities([("zone", [1]), ("tumour", [2])])(torch.zeros(1, 3, 5, 5)).shape
        torch.Size([1, 2, 5, 5])
    """

    def __init__(self, classes: Classes = ()) -> None:
        super().__init__()
        self.softmax = is_exclusive(classes)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probabilities."""
        if self.softmax:
            return torch.softmax(logits, dim=1)[:, 1:]
        return torch.sigmoid(logits)


def binary_entropy(prob: torch.Tensor) -> torch.Tensor:
    """Entropy of a probability in bits: 0 where the ensemble is sure, 1 where it is undecided (p = 0.5).

    Example:
        >>> binary_entropy(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [0.0, 1.0, 0.0]
    """
    other = 1 - prob
    smallest = torch.finfo(prob.dtype).tiny  # 0 log 0 is 0
    bits = prob.clamp(min=smallest).log2_().mul_(prob).add_(other.clamp(min=smallest).log2_().mul_(other))
    return bits.abs_()  # not below 0, nor -0


def entropy(prob: torch.Tensor, classes: Classes = ()) -> torch.Tensor:
    """Uncertainty of the probabilities of a model, from 0 (sure) to 1 (undecided) in every model.

    Without classes the entropy in bits. Of K exclusive classes the entropy over them and the background, divided by its
    largest value log2(K + 1); of regions the mean over the regions of their entropies in bits. All are concave, so that
    the uncertainty of a mean is never below the mean of the uncertainties.

    Args:
        prob: `(B, K, *spatial)`.
        classes: Of the model.

    Returns:
        `(B, 1, *spatial)`.

    Example:
        >>> classes = [("zone", [1]), ("tumour", [2])]
        >>> entropy(torch.full((1, 2, 1), 1 / 3), classes).round(decimals=5).tolist()
        [[[1.0]]]
    """
    if not is_exclusive(classes):
        bits = binary_entropy(prob)
        return bits.mean(dim=1, keepdim=True) if prob.shape[1] > 1 else bits
    smallest = torch.finfo(prob.dtype).tiny
    rest = background(prob)
    bits = rest * rest.clamp(min=smallest).log2_() + (prob * prob.clamp(min=smallest).log2_()).sum(dim=1, keepdim=True)
    return bits.abs_() / log2(len(classes) + 1)


def background(prob: torch.Tensor) -> torch.Tensor:
    """Probability of the background `(B, 1, *spatial)`, given that of each exclusive class `(B, K, *spatial)`."""
    return (1 - prob.sum(dim=1, keepdim=True)).clamp(min=0)


def class_masks(prob: torch.Tensor, classes: Classes = ()) -> torch.Tensor:
    """Mask of each class: where its probability exceeds one half; of exclusive classes where it is the largest.

    Where two exclusive categories are equally probable, the background is taken, else the first class.

    Args:
        prob: `(B, K, *spatial)`.
        classes: Of the model.

    Returns:
        Boolean `(B, K, *spatial)`.

    Example:
        >>> prob = torch.tensor([[[0.4, 0.3], [0.3, 0.2]]])
        >>> class_masks(prob, [("zone", [1]), ("tumour", [2])]).int().tolist()
        [[[1, 0], [0, 0]]]
    """
    if not is_exclusive(classes):
        return prob > THRESHOLD
    largest, first = prob.max(dim=1, keepdim=True)
    number = torch.arange(prob.shape[1], device=prob.device).reshape(-1, *[1] * (prob.ndim - 2))
    return (first == number) & (largest > background(prob))


def drawing_order(classes: Classes) -> list[int]:
    """Order in which objects are drawn into one image: from the class with most values to that with fewest.

    Objects of a region thus lie below those inside it. Values of masks need no order: `values_of`.

    Example:
        >>> drawing_order([("core", [2, 3]), ("enhancing", [3]), ("whole", [1, 2, 3])])
        [2, 0, 1]
    """
    return sorted(range(len(classes)), key=lambda number: -len(classes[number][1]))


def channel_order(classes: Classes, order: Sequence[str]) -> list[int]:
    """Channels of a network in the order in which files hold them; their own order for other classes, or none.

    Example:
        >>> channel_order([("zone", [1]), ("tumour", [2])], ["tumour", "zone"]), channel_order([], [])
        ([1, 0], [0])
    """
    names = [name for name, _ in classes]
    if names and sorted(order) == sorted(names):
        return [names.index(name) for name in order]
    return list(range(max(len(names), 1)))


def meaning_of_values(classes: Classes) -> dict[int, tuple[str, ...]]:
    """Values that the masks of a model hold, with the classes to which a pixel of each belongs.

    An exclusive class has its first value. Of overlapping classes a set of them has the first value that belongs to
    exactly these.

    Example:
        >>> meaning_of_values([("whole", [1, 2, 3]), ("core", [2, 3])])
        {1: ('whole',), 2: ('whole', 'core')}
        >>> meaning_of_values([("zone", [4]), ("tumour", [2, 3])])
        {4: ('zone',), 2: ('tumour',)}
    """
    if is_exclusive(classes):
        return {values[0]: (name,) for name, values in classes}
    meaning: dict[int, tuple[str, ...]] = {}
    for value in sorted({value for _, of_class in classes for value in of_class}):
        names = tuple(name for name, of_class in classes if value in of_class)
        if names not in meaning.values():
            meaning[value] = names
    return meaning


def values_of(masks: np.ndarray, classes: Classes) -> np.ndarray:
    """One image of the masks of all classes, with values as in the masks of raters.

    An exclusive class has its first value. Overlapping classes have the value that fits them best, as in a consensus:
    `segassay.masks.region_values`.

    Args:
        masks: Boolean `(K, *spatial)`.
        classes: Of the model.

    Returns:
        int32 `(*spatial)`, 0 for background.

    Example:
        >>> values_of(np.array([[1, 1, 0], [0, 1, 0]], bool), [("organ", [1, 2]), ("tumour", [2])])
        array([1, 2, 0], dtype=int32)
    """
    if not is_exclusive(classes):
        return values_of_regions(masks, [of_class for _, of_class in classes])
    values = np.zeros(masks.shape[1:], dtype=np.int32)
    for mask, (_, of_class) in zip(masks, classes, strict=True):
        values[mask] = of_class[0]
    return values
