"""An ensemble as one network: the mean probability of its members, and their doubt and disagreement.

    image (B, C, *spatial) -> members, one after another -> mean probability (B, K, *spatial), K = 1 without classes
                                                         -> total uncertainty = disagreement + doubt
                                                         -> mean depth (B, 1, *spatial), of objects that touch

An exported bundle can carry this module unchanged: it imports torch, monai, numpy and modules of this kind only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.inferers import Inferer
from torch import nn

from .classes import SEPARATE, THRESHOLD, TOUCHING, Classes, Probabilities, class_masks, entropy
from .classes import binary_entropy as uncertainty
from .errors import PredictionError
from .network import read_checkpoint

__all__ = ["KEPT_BYTES", "THRESHOLD", "EnsembleNet", "Prediction", "uncertainty"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction of an ensemble for a batch of images. Uncertainties are from 0 to 1, in every image on one scale.

    Attributes:
        prob: Mean probability of the members, float32 `(B, K, *spatial)`: of the foreground, or of each class.
        doubt: Mean of the members' own uncertainties, float32 `(B, 1, *spatial)`.
        packed_masks: uint8 `(M, B, n_bytes)`, one bit per member, class and pixel.
        classes: Of the model; empty if it has one foreground, with uncertainties in bits.
        depth: Mean depth of the members, float32 `(B, 1, *spatial)`; None unless they tell touching objects apart.
        packed_depths: uint8 `(M, B, *spatial)`, the depth of each member times 255; None as `depth`.
    """

    prob: torch.Tensor
    doubt: torch.Tensor
    packed_masks: np.ndarray
    classes: Classes = ()
    depth: torch.Tensor | None = None
    packed_depths: np.ndarray | None = None

    @property
    def total(self) -> torch.Tensor:
        """Uncertainty of the mean probability, `(B, 1, *spatial)`."""
        return entropy(self.prob, self.classes)

    @property
    def disagreement(self) -> torch.Tensor:
        """The part of `total` due to differences between members, `(B, 1, *spatial)`; 0 for a single member."""
        return (self.total - self.doubt).clamp(min=0)

    def masks(self, image: int = 0) -> np.ndarray:
        """Mask of each class (or of the foreground), boolean `(K, *spatial)`."""
        return class_masks(self.prob[image : image + 1], self.classes)[0].cpu().numpy()

    def member_masks(self, member: int, image: int = 0) -> np.ndarray:
        """The same of one member."""
        shape = self.prob.shape[1:]
        return np.unpackbits(self.packed_masks[member, image], count=shape.numel()).reshape(shape).astype(bool)

    def member_mask(self, member: int, image: int = 0) -> np.ndarray:
        """Mask of one member, all classes together, boolean `(*spatial)`."""
        return np.asarray(self.member_masks(member, image).any(axis=0))


KEPT_BYTES = 2**26
"""Bytes of weights that an ensemble keeps in memory."""


class EnsembleNet(nn.Module):
    """Mean probability of several members, one in memory at a time.

    Only sums and one bit per pixel of the probabilities of a member are kept, so memory hardly grows with the number of
    members. Up to 64 MiB of weights are kept, because reading a small network takes as long as predicting a small
    image; further weights are read again for every image.

    Args:
        network: The architecture shared by all members; its own weights are overwritten.
        checkpoint_paths: One file per member, with the weights under `model`.
        inferer: Predicts an image with one member, whole or in windows.
        flips: Whether to average each member over the image flipped along every set of axes.
        backend: One function per checkpoint that predicts in place of `network`, see `load_backend`.
        classes: Of the members, as in their `NetworkSettings`.
        objects: As there; of members that tell touching objects apart, the depth is averaged, too.
        known: Gives the probabilities `(K, *spatial)` of a member for a case, as `network` would, or None; called with
            the number of the member, the case and the shape. By default none are known.

    Attributes:
        last: The last prediction, with its uncertainties; None before the first.

    Raises:
        ValueError: If there is no checkpoint.
        PredictionError: If a checkpoint does not fit `network` (when called).
    """

    def __init__(
        self,
        network: nn.Module,
        checkpoint_paths: Sequence[str | Path],
        inferer: Inferer,
        flips: bool = False,
        backend: Sequence[Callable[[torch.Tensor], torch.Tensor]] | None = None,
        classes: Classes = (),
        objects: str = SEPARATE,
        known: Callable[[int, str, torch.Size], torch.Tensor | None] | None = None,
    ) -> None:
        super().__init__()
        if not checkpoint_paths:
            raise ValueError("an ensemble needs at least one checkpoint, got none")
        self.network = network
        self.checkpoint_paths = [Path(path) for path in checkpoint_paths]
        self.inferer = inferer
        self.flips = flips
        self.backend = backend
        self.classes = [(name, tuple(values)) for name, values in classes]
        self.objects = objects
        self.known = known
        self.probabilities = Probabilities(self.classes)
        self.last: Prediction | None = None
        self._loaded: Path | None = None
        self._kept: dict[Path, Mapping[str, torch.Tensor]] = {}
        self._room = KEPT_BYTES

    def forward(self, image: torch.Tensor, cases: Sequence[str] = ()) -> torch.Tensor:
        """Average the members' probabilities.

        Args:
            image: Normalised images `(B, C, *spatial)`.
            cases: Their names, by which probabilities are known; by default every member predicts.

        Returns:
            Mean probability `(B, K, *spatial)`, float32.
        """
        self.last = None
        self.network.eval()
        n_channels = max(len(self.classes), 1)
        prob = torch.zeros(len(image), n_channels, *image.shape[2:], device=image.device)
        doubt = torch.zeros(len(image), 1, *image.shape[2:], device=image.device)
        # allocated before the first member predicts; else it would fragment the memory that each member frees
        n_bytes = -(-n_channels * image.shape[2:].numel() // 8)
        masks = np.zeros((len(self.checkpoint_paths), len(image), n_bytes), dtype=np.uint8)
        depth = torch.zeros_like(doubt) if self.objects == TOUCHING else None
        depths = None if depth is None else np.zeros((len(masks), len(image), *image.shape[2:]), dtype=np.uint8)
        for number, mask in enumerate(masks):
            member = self._known(number, cases, prob)
            if member is None:
                member = self._predict(image, self._member(number))
            if depth is not None and depths is not None:
                depth += member[:, n_channels:]
                depths[number] = (255 * member[:, n_channels]).round().cpu().numpy()
                member = member[:, :n_channels]
            prob += member
            doubt += entropy(member, self.classes)
            mask[:] = np.packbits(class_masks(member, self.classes).flatten(1).cpu().numpy(), axis=1)
            del member  # else it stays in memory during the next prediction
        prob /= len(masks)
        doubt /= len(masks)
        if depth is not None:
            depth /= len(masks)
        self.last = Prediction(prob, doubt, masks, self.classes, depth, depths)
        return prob

    def _known(self, number: int, cases: Sequence[str], like: torch.Tensor) -> torch.Tensor | None:
        """Probabilities `(B, K, *spatial)` of a member that are known; None if it has to predict."""
        if self.known is None or not cases or self.objects == TOUCHING:  # whose depth is in no file
            return None
        found = [self.known(number, case, like.shape[1:]) for case in cases]
        probs = [prob for prob in found if prob is not None]
        return torch.stack(probs).to(like.device) if len(probs) == len(like) else None

    def _member(self, number: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """What predicts as this member."""
        if self.backend is not None:
            return self.backend[number]
        self._load(self.checkpoint_paths[number])
        return self.network

    def _predict(self, image: torch.Tensor, network: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Probability of one member, `(B, K, *spatial)`; of touching objects foreground and depth, `(B, 2, …)`."""
        flips = list(_subsets(range(2, image.ndim))) if self.flips else [()]
        total: torch.Tensor | None = None
        for axes in flips:
            flipped = torch.flip(image, axes) if axes else image
            prob = self.probabilities(self.inferer(flipped, network).float())
            prob = torch.flip(prob, axes) if axes else prob
            total = prob if total is None else total.add_(prob)
            del prob
        assert total is not None
        return total / len(flips) if len(flips) > 1 else total

    def _load(self, path: Path) -> None:
        if path == self._loaded:
            return
        if path in self._kept:
            for name, value in self.network.state_dict().items():  # several times as fast as load_state_dict
                value.copy_(self._kept[path][name])
        else:
            self._read(path)
        self._loaded = path

    def _read(self, path: Path) -> None:
        weights = read_checkpoint(path)["model"]
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            what = f"the weights do not fit the network ({reason})"
            action = (
                "leave out --channels, --strides, --in_channels and --spatial_dims, which are read from the checkpoint"
            )
            raise PredictionError.of(path, what, action) from error
        n_bytes = sum(value.nbytes for value in weights.values())
        if n_bytes <= self._room:
            self._kept[path] = weights
            self._room -= n_bytes


def _subsets(axes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(axes, n) for n in range(len(axes) + 1))
