"""Consensus by objects: what most raters drew as one object stays one object.

    masks or label images (R, *spatial)  ->  groups of matching objects, at most one per rater  ->  labels (*spatial)

A consensus by pixels joins two nuclei as soon as enough raters marked pixels between them, each somewhere else, and
keeps fragments where outlines cross. Here raters vote on objects first; then the supporters of an object, who drew it,
vote on its outline.
"""

import hashlib
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segassay.masks.joint import joint_overlaps
from segassay.masks.objects import label_objects

MATCH_IOU = 1 / 3  # two objects that share more than half of their mean size (Dice above one half)


@dataclass(frozen=True, eq=False)
class ObjectConsensus:
    """Objects that most raters drew.

    Attributes:
        labels: int32 `(*spatial)`, objects 1..n; at least one pixel of background lies between any two, so that
            `label_objects(mask)` gives the same image.
        mask: bool `(*spatial)`, `labels > 0`.
        prob: float32 `(*spatial)`, share of an object's supporters who marked the pixel as part of it; 0 elsewhere.
        n_supporters: int64 `(n,)`, raters who drew the object.
        n_seen: int64 `(R,)`, objects of each rater.
        n_supported: int64 `(R,)`, those of them that support an object of the consensus.
        n_lost: Objects with enough supporters of which an overlapping or touching object left no pixel.
    """

    labels: np.ndarray
    mask: np.ndarray
    prob: np.ndarray
    n_supporters: np.ndarray
    n_seen: np.ndarray
    n_supported: np.ndarray
    n_lost: int


@dataclass(frozen=True, eq=False)
class _Objects:
    """All objects of all raters, numbered from 0.

    `rater` `(N,)`, `label` `(N,)` in that rater's label image, `start` and `stop` `(N, n_axes)` of the bounding box.
    """

    rater: np.ndarray
    label: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def object_consensus(masks: Sequence[np.ndarray], spacing: Sequence[float] | None = None) -> ObjectConsensus:
    """Keep the objects that more than half of the raters drew, with the outline that most of these raters drew.

    1. Two objects of different raters match if they share more than half of their mean size (IoU above 1/3) and each
       overlaps the other more than any third object of the two raters; if two overlap it equally, neither matches.
       So an object has at most one partner per rater, and no group can hold two objects of one rater. Scores of
       objects need an IoU above 1/2; with that rule small or ragged objects are lost that most raters drew.
    2. The object with most partners and they form a group (ties: the larger sum of IoU), then the next among what is
       left, until no group has more than half of the raters. A tie is dropped, as in `majority_vote`.
    3. A pixel belongs to the object if more than half of the supporters marked it; if exactly half did, if the mean of
       their signed distances to the outline is inside. The outline then runs halfway between two, where a strict
       majority would leave their intersection.
    4. A pixel claimed by two objects goes to the one with the larger share of its supporters, else to none. Where two
       objects touch, the larger one loses a pixel. Of an object in several pieces the largest piece stays.

    A rater who draws two touching nuclei as one object supports at most the larger one, and cannot join them if most
    others drew two. The order of raters and the numbers in label images do not matter.

    An object is dropped, even where all raters marked its middle, if outlines differ so much that no rater's object
    matches those of enough others, or if most raters joined it with different neighbours.

    Args:
        masks: One mask or label image `(*spatial)` per rater who annotated the image: an array `(R, *spatial)`, or a
            list in which boolean masks and integer label images may be mixed (see `label_objects`).
        spacing: Distance between pixels along each axis, for the distances of rule 3; by default 1. Only its ratios
            count.

    Returns:
        The consensus; without any object if no object has enough supporters.

    Raises:
        TypeError: If a mask is neither boolean nor integer.
        ValueError: If there is no rater or no pixel, shapes differ, or a label is negative.

    Example:
        >>> anna = np.array([[1, 1, 1, 0, 1, 1, 1, 0, 0, 1]], dtype=bool)
        >>> ben = np.array([[1, 1, 0, 0, 1, 1, 1, 0, 0, 0]], dtype=bool)
        >>> cleo = np.array([[1, 1, 1, 1, 1, 1, 0, 0, 0, 0]], dtype=bool)  # one object where the others see two
        >>> found = object_consensus([anna, ben, cleo])
        >>> found.labels
        array([[1, 1, 1, 0, 2, 2, 2, 0, 0, 0]], dtype=int32)
        >>> found.n_supporters
        array([3, 2])

    References:
        Groups that hold one object per rater at most: Amgad et al. (2022), GigaScience 11:giac037,
        doi:10.1093/gigascience/giac037. Mean of signed distances: Rohlfing & Maurer (2007), IEEE Trans. Image Process.
        16(1):153-161, doi:10.1109/TIP.2006.884936.
    """
    labels = [label_objects(np.asarray(mask)) for mask in masks]
    if not labels or labels[0].ndim == 0 or labels[0].size == 0:
        raise ValueError("expected the masks of at least one rater, with at least one pixel each")
    objects = _all_objects(labels)
    groups = _groups(labels, objects)
    group_of = np.full(len(objects.rater), -1)
    for number, members in enumerate(groups):
        group_of[members] = number
    n_supporters = np.array([len(members) for members in groups], dtype=np.int64)

    pixel, group, votes = _votes(labels, objects, group_of)
    share = votes / n_supporters[group]
    inside = share > 0.5
    tied = share == 0.5
    inside[tied] = _halfway(labels, objects, groups, pixel[tied], group[tied], spacing)
    owner = _owners(labels[0].shape, pixel[inside], group[inside], share[inside])
    pieces, owner_of_piece = _largest_pieces(_set_apart(owner))

    prob = np.zeros(labels[0].size, dtype=np.float32)
    np.maximum.at(prob, pixel, share.astype(np.float32))
    kept = np.isin(group_of, owner_of_piece)
    return ObjectConsensus(
        labels=pieces,
        mask=pieces > 0,
        prob=prob.reshape(labels[0].shape),
        n_supporters=n_supporters[owner_of_piece],
        n_seen=np.bincount(objects.rater, minlength=len(labels)),
        n_supported=np.bincount(objects.rater[kept], minlength=len(labels)),
        n_lost=len(groups) - len(owner_of_piece),
    )


def _all_objects(labels: Sequence[np.ndarray]) -> _Objects:
    boxes = [ndimage.find_objects(image) for image in labels]
    counts = [len(found) for found in boxes]
    axes = [[(axis.start, axis.stop) for axis in box] for found in boxes for box in found]
    bounds = np.array(axes, dtype=np.int64).reshape(-1, labels[0].ndim, 2)
    label = np.concatenate([np.arange(1, count + 1) for count in counts])
    return _Objects(np.repeat(np.arange(len(labels)), counts), label, bounds[:, :, 0], bounds[:, :, 1])


def _groups(labels: Sequence[np.ndarray], objects: _Objects) -> list[list[int]]:
    """Groups of matching objects: each the object with most remaining partners, and these partners.

    A heap holds every object by the group that it can form; an entry that has become smaller since is put back.
    """
    partners = _partners(labels, len(objects.rater))
    taken = np.zeros(len(objects.rater), dtype=bool)

    heap: list[tuple[int, float, bytes, int]] = []

    def push(number: int, fingerprint: bytes) -> None:
        left = [iou for partner, iou in partners[number].items() if not taken[partner]]
        if 2 * (len(left) + 1) > len(labels):
            heapq.heappush(heap, (-len(left), -math.fsum(left), fingerprint, number))

    for number in range(taken.size):
        push(number, _fingerprint(labels, objects, number))
    groups = []
    while heap:
        n_partners, _, fingerprint, number = heapq.heappop(heap)
        left = [partner for partner in partners[number] if not taken[partner]]
        if taken[number]:
            continue
        if len(left) < -n_partners:
            push(number, fingerprint)
            continue
        groups.append([number, *left])
        taken[groups[-1]] = True
    return groups


def _partners(labels: Sequence[np.ndarray], n_objects: int) -> list[dict[int, float]]:
    """For each object the matching objects of other raters, and their IoU."""
    joint = joint_overlaps(labels)
    first = np.cumsum([0, *map(len, joint.sizes)])
    partners: list[dict[int, float]] = [{} for _ in range(n_objects)]
    for a in range(len(labels)):
        for b in range(a + 1, len(labels)):
            table = joint.pair(a, b)
            iou = table.iou
            match = (iou > MATCH_IOU) & _is_best(table.a, iou) & _is_best(table.b, iou)
            numbers = zip(first[a] + table.a[match], first[b] + table.b[match], iou[match].tolist(), strict=True)
            for one, other, value in numbers:
                partners[one][int(other)] = value
                partners[other][int(one)] = value
    return partners


def _is_best(number: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Whether an overlap `(K,)` is larger than every other one of the same object."""
    order = np.lexsort((-iou, number))
    first = np.diff(number[order], prepend=-1) > 0
    tied_with_next = np.append((np.diff(number[order]) == 0) & (np.diff(iou[order]) == 0), False)
    best = np.zeros(iou.size, dtype=bool)
    best[order] = first & ~tied_with_next[: iou.size]
    return best


def _fingerprint(labels: Sequence[np.ndarray], objects: _Objects, number: int) -> bytes:
    """Bytes that depend only on where the object is, so that ties are broken the same way for any order of raters."""
    box = tuple(map(slice, objects.start[number], objects.stop[number]))
    shape = labels[objects.rater[number]][box] == objects.label[number]
    where = objects.start[number].tobytes() + objects.stop[number].tobytes()
    return hashlib.blake2b(where + shape.tobytes(), digest_size=16).digest()


def _votes(
    labels: Sequence[np.ndarray], objects: _Objects, group_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel of every group, and how many supporters marked it: flat pixel `(K,)`, group `(K,)`, votes `(K,)`."""
    n_groups = int(group_of.max(initial=-1)) + 1
    codes = []
    for rater, image in enumerate(labels):
        lookup = np.concatenate([[-1], group_of[objects.rater == rater]])
        group = lookup[image.reshape(-1)]
        pixel = np.flatnonzero(group >= 0)
        codes.append(pixel * n_groups + group[pixel])
    code, votes = np.unique(np.concatenate(codes), return_counts=True)
    return code // max(n_groups, 1), code % max(n_groups, 1), votes


def _halfway(
    labels: Sequence[np.ndarray],
    objects: _Objects,
    groups: list[list[int]],
    pixel: np.ndarray,
    group: np.ndarray,
    spacing: Sequence[float] | None,
) -> np.ndarray:
    """Whether the mean signed distance of the supporters is inside at these pixels `(K,)`."""
    steps = None if spacing is None else [float(step) / min(spacing) for step in spacing]
    inside = np.zeros(pixel.size, dtype=bool)
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if pixel.size else []:
        members = groups[group[rows[0]]]
        start = np.maximum(objects.start[members].min(axis=0) - 1, 0)
        box = tuple(map(slice, start, objects.stop[members].max(axis=0) + 1))
        place = tuple(np.stack(np.unravel_index(pixel[rows], labels[0].shape)) - start[:, None])
        shapes = [labels[int(objects.rater[number])][box] == objects.label[number] for number in members]
        depths = [_signed_distance(shape, steps)[place].tolist() for shape in shapes]
        inside[rows] = [math.fsum(depth) > 0 for depth in zip(*depths, strict=True)]
    return inside


def _signed_distance(mask: np.ndarray, steps: Sequence[float] | None) -> np.ndarray:
    """Distance to the nearest pixel of the other kind, negative outside."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    inside, outside = (ndimage.distance_transform_edt(of, sampling=steps) for of in (mask, ~mask))
    return np.asarray(inside - outside)


def _owners(shape: tuple[int, ...], pixel: np.ndarray, group: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Group + 1 that owns each pixel `(*spatial)`: the one with the largest share, none where two have the same."""
    order = np.lexsort((-share, pixel))
    pixel, group, share = pixel[order], group[order], share[order]
    first = np.diff(pixel, prepend=-1) > 0
    next_is_equal = np.append((pixel[1:] == pixel[:-1]) & (share[1:] == share[:-1]), False)
    owner = np.zeros(shape, dtype=np.int32)
    won = first & ~next_is_equal
    owner.reshape(-1)[pixel[won]] = group[won] + 1
    return owner


def _set_apart(owner: np.ndarray) -> np.ndarray:
    """Background between any two objects `(*spatial)`: the larger object loses pixels that touch a smaller one."""
    present, first, size = np.unique(owner, return_index=True, return_counts=True)
    smallest_last = np.lexsort((first, -size))
    rank = np.zeros(int(present.max()) + 1, dtype=np.int32)
    objects = present[smallest_last][present[smallest_last] > 0]
    rank[objects] = np.arange(1, objects.size + 1)
    ranks = rank[owner]
    return np.where(ndimage.maximum_filter(ranks, size=3, mode="constant") == ranks, owner, 0)


def _largest_pieces(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels `(*spatial)` of the largest connected piece of each group, and the groups `(n,)` they belong to."""
    pieces = label_objects(owner > 0)
    size = np.bincount(pieces.reshape(-1))[1:]
    _, first = np.unique(pieces, return_index=True)
    group = owner.reshape(-1)[first[-size.size :]] - 1 if size.size else np.zeros(0, dtype=np.int64)
    order = np.lexsort((-size, group))
    largest = order[np.diff(group[order], prepend=-1) > 0]
    kept = np.zeros(size.size + 1, dtype=bool)
    kept[largest + 1] = True
    return label_objects(kept[pieces]), group[kept[1:]]
