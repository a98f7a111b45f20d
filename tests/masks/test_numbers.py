"""Numbers of label images: those of objects, however odd, are not taken for classes, and those of classes are found."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import ndimage

from label_scenes import draw_labels
from segassay.masks.numbers import Numbers, numbers_of, same_numbers, why_classes

SHAPE = (120, 160)
ROWS, COLUMNS = np.indices(SHAPE)
Image = Callable[[np.random.Generator], np.ndarray]


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return np.asarray(np.hypot(ROWS - y, COLUMNS - x) < radius)


def discs(rng: np.random.Generator, n: int, low: float = 3, high: float = 9) -> Iterator[np.ndarray]:
    """Discs on squares of a grid of 24 pixels, none touching another."""
    for place in rng.choice(30, n, replace=False):
        yield disc(24 * (place // 6) + 12, 26 * (place % 6) + 13, rng.uniform(low, high))


def numbered(objects: Iterator[np.ndarray] | list[np.ndarray], numbers: list[int] | None = None) -> np.ndarray:
    labels = np.zeros(SHAPE, dtype=np.int32)
    for place, one in enumerate(objects):
        labels[one] = place + 1 if numbers is None else numbers[place]
    return labels


def in_raster_order(mask: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.label(mask)[0])


# objects


def nuclei(rng: np.random.Generator) -> np.ndarray:
    return numbered(discs(rng, int(rng.integers(1, 20))))


def with_gaps(rng: np.random.Generator) -> np.ndarray:
    n = int(rng.integers(3, 20))
    return numbered(discs(rng, n), sorted(rng.choice(500, n, replace=False) + 1))


def cut_by_the_edge(rng: np.random.Generator) -> np.ndarray:
    """Half rings open to the edge, of which a crop leaves both ends: two pieces of each of four objects."""
    labels = nuclei(rng)
    for place in range(4):
        for row in (30 * place + 5, 30 * place + 15):
            labels[row : row + 4, :6] = 100 + place
    return labels


def one_of_ten_in_two_pieces(rng: np.random.Generator) -> np.ndarray:
    """A long object lies across others and cuts them, as in crossing worms."""
    labels = numbered(discs(rng, 20, 6, 9))
    labels[:, 36:39] = 21
    return labels


def with_stray_pixels(rng: np.random.Generator) -> np.ndarray:
    labels = numbered(discs(rng, 12, 6, 9))
    for number in range(1, 13):
        labels[5, 12 * number] = number
    return labels


def one_object(rng: np.random.Generator) -> np.ndarray:
    return numbered([disc(60, 80, rng.uniform(5, 30))], [7])


def two_objects(rng: np.random.Generator) -> np.ndarray:
    return in_raster_order(np.any(list(discs(rng, 2)), axis=0))


def two_objects_by_size(rng: np.random.Generator) -> np.ndarray:
    return by_size(two_objects(rng))


def six_objects_by_size(rng: np.random.Generator) -> np.ndarray:
    return by_size(numbered(discs(rng, 6)))


def by_size(labels: np.ndarray) -> np.ndarray:
    sizes = np.bincount(labels.ravel())
    sizes[0] = labels.size
    place = np.empty(len(sizes), dtype=np.int32)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return place[labels]


def six_objects(rng: np.random.Generator) -> np.ndarray:
    return in_raster_order(np.any(list(discs(rng, 6)), axis=0))


def crowded(rng: np.random.Generator) -> np.ndarray:
    """Cells that fill the image, each with several neighbours; every pixel belongs to the nearest of 25 centres."""
    centres = rng.uniform(0, (120, 160), (25, 2))
    distance = np.hypot(ROWS[..., None] - centres[:, 0], COLUMNS[..., None] - centres[:, 1])
    return np.asarray(distance.argmin(axis=-1) + 1, dtype=np.int32)


OBJECTS = [
    nuclei, with_gaps, cut_by_the_edge, one_of_ten_in_two_pieces, with_stray_pixels, one_object, two_objects,
    two_objects_by_size, six_objects_by_size, six_objects, crowded,
]  # fmt: skip


@pytest.mark.parametrize("image", OBJECTS, ids=lambda image: image.__name__)
@pytest.mark.parametrize("n_images", [1, 3, 30])
def test_objects_are_not_taken_for_classes(image: Image, n_images: int):
    rng = np.random.default_rng(n_images)
    assert why_classes([numbers_of(image(rng)) for _ in range(n_images)]) is None


# classes


def cells_of_two_kinds(rng: np.random.Generator) -> np.ndarray:
    return numbered(discs(rng, 9), [1, 2, 1, 2, 1, 1, 1, 2, 2])


def many_cells_and_one_vessel(rng: np.random.Generator) -> np.ndarray:
    labels = numbered(discs(rng, 6), [1] * 6)
    labels[100:110] = 2
    return labels


def one_swapped_region(rng: np.random.Generator) -> np.ndarray:
    """Cells, with those of the right half of another class."""
    labels = cells_of_two_kinds(rng)
    return np.where(COLUMNS > 80, 3 - labels, labels) * (labels > 0)


def soft_edges(rng: np.random.Generator) -> np.ndarray:
    """A mask that was scaled with interpolation, as a picture: no objects either."""
    soft = ndimage.gaussian_filter(255.0 * (numbered(discs(rng, 10)) > 0), 2)
    return np.asarray(soft.astype(np.int32))


def tumour_in_liver(rng: np.random.Generator) -> np.ndarray:
    return np.where(disc(60 + rng.normal(), 80, rng.uniform(4, 9)), 2, 1 * disc(60, 80, rng.uniform(25, 40)))


def heart(rng: np.random.Generator) -> np.ndarray:
    """Left ventricle 3 within its wall 2, and the right ventricle 1 beside it: one piece of each."""
    wall, radius = 1 + 0 * ROWS, rng.uniform(15, 20)
    labels = np.where(disc(60, 110, 18), 1, 0)
    labels = np.where(disc(60, 70, radius + rng.uniform(6, 9)), 2 * wall, labels)
    return np.where(disc(60, 70, radius), 3, labels)


def organs(rng: np.random.Generator) -> np.ndarray:
    """Five organs of one piece each, apart from each other, whose sizes vary by a tenth."""
    radii = (9, 4, 11, 6, 7.5)
    return numbered([disc(60, 16 + 30 * k, r * rng.uniform(0.9, 1.1)) for k, r in enumerate(radii)])


def small_then_large(rng: np.random.Generator) -> np.ndarray:
    """A nerve and a muscle: one piece each, the nerve first."""
    return numbered([disc(60, 40, rng.uniform(4, 6)), disc(60, 100, rng.uniform(20, 30))])


CLASSES = {
    # how many images it takes
    cells_of_two_kinds: 1, many_cells_and_one_vessel: 1, one_swapped_region: 1, soft_edges: 1,
    tumour_in_liver: 3, heart: 3, organs: 6, small_then_large: 12,
}  # fmt: skip


@pytest.mark.parametrize(("image", "n_images"), CLASSES.items(), ids=lambda part: getattr(part, "__name__", str(part)))
def test_classes_are_found(image: Image, n_images: int):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        assert why_classes([numbers_of(image(rng)) for _ in range(n_images)]) is not None
        assert why_classes([numbers_of(image(rng)) for _ in range(2 * n_images)]) is not None


def test_classes_in_two_pieces_each_are_found_by_all_images_together():
    def two_of_each(rng: np.random.Generator) -> np.ndarray:
        return numbered(discs(rng, 4), [1, 1, 2, 3])

    images = [numbers_of(two_of_each(np.random.default_rng(seed))) for seed in range(10)]
    assert [why_classes([image]) for image in images] == [None] * 10
    assert why_classes(images) == "pieces"


def test_a_class_map_among_label_images_is_found():
    rng = np.random.default_rng(0)
    images = [numbers_of(nuclei(rng)) for _ in range(40)]
    assert why_classes([*images, numbers_of(cells_of_two_kinds(rng))]) == "pieces"


# what cannot be told


def test_two_numbers_in_every_image_that_may_be_either_are_named():
    rng = np.random.default_rng(0)
    for image in (two_objects, two_objects_by_size):
        assert same_numbers([numbers_of(image(rng)) for _ in range(5)]) == {1, 2}
    for image in (nuclei, one_object):
        assert same_numbers([numbers_of(image(rng)) for _ in range(20)]) == set()


# what the numbers are


def test_pieces_touch_at_corners_and_small_ones_do_not_count():
    labels = draw_labels("......... .111..... ....1.2.. ....12.2. ......... .1....... .........")
    assert numbers_of(labels) == Numbers(n=2, n_split=0, n_extra=0, n_inside=0, sizes={1: 6, 2: 3})


def test_of_pieces_at_the_edge_one_counts():
    assert numbers_of(draw_labels("1.1.1 ..... ..1.. .....")).n_extra == 1


@pytest.mark.parametrize("large", [1, 40_000, 1_000_000_000])
def test_large_numbers_are_numbers_like_others(large: int):
    labels = draw_labels("...... .1.22. .1.22. ......")
    assert numbers_of(labels * large).sizes == {large: 2, 2 * large: 4}


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_an_image_without_numbers_says_nothing(shape: tuple[int, ...]):
    nothing = numbers_of(np.zeros(shape, dtype=np.int32))
    assert nothing == Numbers(0, 0, 0, 0, {})
    assert why_classes([nothing] * 20) is None
    assert why_classes([]) is None
    assert same_numbers([nothing] * 20) == set()


def test_volumes_are_like_images():
    volume = np.zeros((8, 20, 20), dtype=np.int32)
    volume[2:5, 2:8, 2:8] = 1
    volume[3:4, 4:6, 4:6] = 2
    volume[2:5, 12:18, 12:18] = 1
    assert numbers_of(volume) == Numbers(n=2, n_split=1, n_extra=1, n_inside=1, sizes={1: 212, 2: 4})


def test_agrees_with_the_slow_way():
    """Each number by itself on the whole image."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random((9, 11)) < 0.3, rng.integers(1, 5, (9, 11)), 0)
        assert numbers_of(labels).n_extra == sum(_slow(labels == value) for value in np.unique(labels[labels > 0]))


def _slow(mask: np.ndarray) -> int:
    pieces, n = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = [(pieces == piece).sum() for piece in range(1, n + 1)]
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = False
    large = [piece for piece, size in enumerate(sizes, start=1) if size >= max(sizes) / 4]
    cut = [piece for piece in large if (edge & (pieces == piece)).any()]
    return len(large) - len(cut) + bool(cut) - 1
