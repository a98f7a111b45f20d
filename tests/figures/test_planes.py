"""How volumes are shown: every orientation of one body gives one picture, in the proportions of its voxels."""

import itertools

import nibabel
import numpy as np
import pytest

from segassay.figures.planes import Cut, largest_cut, spacing_of, view_of

BODY = np.arange(4 * 5 * 3).reshape(4, 5, 3)
AFFINE = np.array([[0.7, 0, 0, -100], [0, 0.7, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
ORIENTATIONS = [
    "".join(axes[way] for axes, way in zip(order, ways, strict=True))
    for order in itertools.permutations(("RL", "AP", "SI"))
    for ways in itertools.product((0, 1), repeat=3)
]


def placed(*spacing: float) -> np.ndarray:
    """An affine of a body that lies somewhere, first voxel at its left, back and bottom."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -90, -70, 30
    return affine


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_the_same_body_gives_the_same_picture_however_it_is_stored(axes: str) -> None:
    """Axial, since slices are thick that way: first row in front, first column at the right of the patient."""
    stored = nibabel.Nifti1Image(BODY.astype(np.int16), AFFINE)
    turned = stored.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(axes)
        )
    )
    array = np.asarray(turned.dataobj)
    view = view_of(array.shape, None, turned.affine)
    assert view.name == "axial"
    assert view.spacing == pytest.approx((0.7, 0.7))
    pictures = {view.cut(array, place).tobytes() for place in range(3)}
    assert pictures == {BODY[::-1, ::-1, place].T.astype(np.int16).tobytes() for place in range(3)}
    np.testing.assert_array_equal(view.through(array), BODY[::-1, ::-1].max(axis=2).T)
    box = [(int(place.min()), int(place.max())) for place in np.nonzero(array == BODY[3, 1, 2])]
    assert view.box(box, array.shape) == ((3, 3), (0, 0)), "row 3 from the front, the outermost column at the right"


@pytest.mark.parametrize(
    ("spacing", "across", "name"),
    [
        ((0.7, 0.7, 2.5), 2, "axial"),
        ((3, 0.9, 0.9), 0, "sagittal"),
        ((1, 4, 1), 1, "coronal"),
        ((1, 1, 1.2), 2, "axial"),
    ],
)
def test_the_cut_is_across_thick_slices_else_axial(spacing: tuple[float, ...], across: int, name: str) -> None:
    """Also where another axis has fewer voxels, as in a long CT of the whole body."""
    view = view_of((40, 50, 600), spacing, placed(*spacing))
    assert (view.across, view.name) == (across, name)
    left = [axis for axis in range(3) if axis != across]
    assert view.spacing == tuple(spacing[axis] for axis in reversed(left))


def test_coronal_and_sagittal_pictures_have_the_head_at_the_top() -> None:
    array = np.zeros((3, 4, 5))
    array[:, :, 4] = 1  # the highest slice
    for spacing in ((9, 1, 1), (1, 9, 1)):
        view = view_of(array.shape, spacing, placed(*spacing))
        assert view.cut(array, 1)[0].all()
        assert not view.cut(array, 1)[1:].any()
    assert "front at the left" in view_of(array.shape, (9, 1, 1), placed(9, 1, 1)).way_up


def test_an_oblique_volume_is_shown_along_its_nearest_axes() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    oblique = np.array([[c, -s, 0, 5], [s, c, 0, -7], [0, 0, 3, 1], [0, 0, 0, 1.0]])
    assert view_of((9, 9, 4), None, oblique) == view_of((9, 9, 4), None, placed(1, 1, 3))
    assert spacing_of(oblique) == pytest.approx((1, 1, 3))


def test_without_an_affine_rows_and_columns_are_those_of_the_file() -> None:
    view = view_of((4, 8, 7), (1, 1, 1), None)
    array = np.arange(4 * 8 * 7).reshape(4, 8, 7)
    np.testing.assert_array_equal(view.cut(array, 2), array[2])
    assert view.in_words(2, array.shape) == "plane 3 of 4 across axis 1"


DISTANCES_ALONE = np.diag([0.7, 0.7, 2.5, 1.0])


@pytest.mark.parametrize("affine", [np.eye(4), DISTANCES_ALONE, np.full((4, 4), np.nan), np.zeros((4, 4))])
def test_an_affine_without_a_place_says_nothing_of_the_patient(affine: np.ndarray) -> None:
    """Scripts that make a NIfTI of slices write it: the first axis runs along the columns. A damaged one is none."""
    view = view_of((8, 7, 4), (1, 1, 2), affine)
    array = np.arange(4 * 8 * 7).reshape(8, 7, 4)
    assert (view.name, view.way_up, view.turned) == ("", "", (False, False))
    np.testing.assert_array_equal(view.cut(array, 2), array[..., 2].T)


def test_an_image_has_no_view() -> None:
    with pytest.raises(ValueError, match="three axes"):
        view_of((4, 8), None, None)


def test_one_figure_shows_the_slice_with_most_foreground_in_its_proportions() -> None:
    """Sagittal slices of 4 mm, in which rows are 2 mm and columns 1 mm apart: each row is there twice."""
    marked = np.zeros((5, 6, 7), dtype=bool)
    marked[1, 0, 0] = marked[3, 2:4, 5] = True
    cut = largest_cut(marked, (4, 1, 2), placed(4, 1, 2))
    assert cut.in_words(marked.shape) == "sagittal slice 4 of 5"
    shown = cut.proportioned(marked)
    np.testing.assert_array_equal(shown[::2], marked[3, ::-1, ::-1].T)
    np.testing.assert_array_equal(shown[1::2], shown[::2])
    odd = largest_cut(marked, (4, 1, 1.5), placed(4, 1, 1.5)).proportioned(marked)
    assert odd.shape == (round(7 * 1.5), 6)
    assert largest_cut(marked & False, None, None).place == 2, "the middle one"


def test_an_image_is_shown_as_it_is() -> None:
    image = np.random.default_rng(0).random((5, 6))
    cut = largest_cut(image > 0.5, (1, 3), None)
    assert cut == Cut()
    assert cut.proportioned(image) is image
    assert cut.in_words(image.shape) == ""
