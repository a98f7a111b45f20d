"""Tiles of a package for bioimage.io: the halo covers what a pixel sees, and tiles give the masks of the whole."""

import itertools

import numpy as np
import pytest
import torch

from segassay_monai.ensemble.network import residual_unet, size_divisor
from segassay_monai.sharing.about import About
from segassay_monai.sharing.bioimageio.description import Files, describe
from segassay_monai.sharing.bioimageio.tiles import tiles_of
from segassay_monai.sharing.weights import read_whole_image_net


def reach_of(net, divisors, halo):
    """How far from a pixel the image changes its logit, along each axis, for every place within a divisor."""
    size = [(2 * border // divisor + 4) * divisor for border, divisor in zip(halo, divisors, strict=True)]
    image = torch.rand(1, 1, *size, requires_grad=True)
    logits = net(image)[0, 0]
    middle = [length // 2 // divisor * divisor for length, divisor in zip(size, divisors, strict=True)]
    reach = torch.zeros(len(size), dtype=torch.int64)
    for offset in itertools.product(*map(range, divisors)):
        place = torch.tensor([start + more for start, more in zip(middle, offset, strict=True)])
        [gradient] = torch.autograd.grad(logits[tuple(place)], image, retain_graph=True)
        reach = torch.maximum(reach, (gradient[0, 0].nonzero() - place).abs().amax(dim=0))
    return reach.tolist()


@pytest.mark.parametrize("strides", [[[2, 2]], [[2, 2], [2, 2]], [[1, 2], [2, 2]], [[1, 2, 2]]])
def test_the_halo_covers_what_a_pixel_sees_and_little_more(strides):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = residual_unet(len(strides[0]), 1, [2] * (len(strides) + 1), strides).eval()
        for value in net.parameters():
            value.data = value.data.abs() + 0.1  # nothing cancels
        halo, divisors = tiles_of(strides).halo, size_divisor(strides)
        for border, seen, divisor in zip(halo, reach_of(net, divisors, halo), divisors, strict=True):
            assert seen <= border < 1.3 * seen + divisor
            assert border % divisor == 0


def test_tiles_give_the_masks_of_the_whole_image_away_from_its_border(ensemble):
    settings, checkpoints = ensemble
    whole, net = read_whole_image_net(checkpoints), read_whole_image_net(checkpoints, normalised=True)
    tiles = tiles_of(settings.strides)
    step = np.array(tiles.smallest) - 2 * np.array(tiles.halo)
    n_tiles = [2 * border // length + 2 for border, length in zip(tiles.halo, step, strict=True)]
    size = step * n_tiles
    image = torch.rand(1, settings.in_channels, *size.tolist(), generator=torch.Generator().manual_seed(1)) ** 4
    borders = [(border, border) for border in tiles.halo]
    padded = np.pad(whole.normalise(image).numpy(), [(0, 0), (0, 0), *borders], mode="symmetric")
    found = np.empty((1, 1, *size), dtype=np.float32)
    for numbers in itertools.product(*map(range, n_tiles)):
        start = step * numbers
        outer = tuple(slice(a, a + b) for a, b in zip(start, tiles.smallest, strict=True))
        inner = tuple(slice(a, a + b) for a, b in zip(start, step, strict=True))
        kept = tuple(slice(a, -a) for a in tiles.halo)
        with torch.no_grad():
            found[(..., *inner)] = net(torch.from_numpy(padded[(..., *outer)]))[(..., *kept)]
    away = (..., *(slice(a, -a) for a in tiles.halo))
    with torch.no_grad():
        expected = whole(image).numpy()
    assert found[away].size
    np.testing.assert_allclose(found[away], expected[away], rtol=0, atol=1e-5)
    assert not np.allclose(found, expected, rtol=0, atol=1e-3)  # at the border a tile sees the mirror image


def test_a_package_in_tiles_normalises_before_and_names_its_halo(ensemble, tmp_path):
    settings, checkpoints = ensemble
    for name in vars(Files()).values():
        (tmp_path / name).write_bytes(b"")
    net = read_whole_image_net(checkpoints, normalised=True)
    axes = "zyx"[3 - settings.spatial_dims :]
    described = describe(tmp_path, name="model", net=net, about=About(), files=Files(), axes=axes)
    [taken], [given] = described["inputs"], described["outputs"]
    assert [step["id"] for step in taken["preprocessing"]] == ["ensure_dtype", "scale_range", "clip"]
    scale = taken["preprocessing"][1]["kwargs"]
    assert (scale["min_percentile"], scale["max_percentile"], scale["eps"]) == (1.0, 99.0, 1e-30)
    assert scale["axes"] == list(axes)
    assert [axis["halo"] for axis in given["axes"][2:]] == list(tiles_of(settings.strides).halo)
    for axis, out in zip(taken["axes"][2:], given["axes"][2:], strict=True):
        assert axis["size"]["min"] > 2 * out["halo"]
    assert described["weights"]["pytorch_state_dict"]["architecture"]["kwargs"]["normalised"]
