"""The judgement of one quality, or of the raters: criteria and the annotators that they are about."""

from dataclasses import dataclass

from segassay.judgement.criteria import Criterion, Number, all_met
from segassay.judgement.judged import Judged

__all__ = ["Judgement", "Uncounted"]


@dataclass(frozen=True)
class Uncounted:
    """Shares of what raters marked that do not count: ignored, outside the regions, or too small.

    Attributes:
        pixels: Of their pixels, from 0 to 1.
        objects: Of their objects.
    """

    pixels: float
    objects: float


@dataclass(frozen=True)
class Judgement:
    """The judgement of one quality.

    Attributes:
        quality: The quality; `raters` for that of raters without models.
        judged: The annotators that it is about.
        criteria: The criteria of its rule.
        headline: Numbers that its sentence starts with: the agreement of two ensembles, or with the raters; if empty,
            only agreement between raters, or between models, is known.
        left_out: Raters who took no part, because they have few masks, or masks no better than mirrored ones.
        uncounted: Of validity the share of what raters marked that does not count; None if everything does.
        unequal: Whether a subject has at least twice as many images as subjects have on average.
    """

    quality: str
    judged: Judged
    criteria: tuple[Criterion, ...]
    headline: tuple[Number, ...] = ()
    left_out: tuple[str, ...] = ()
    unequal: bool = False
    uncounted: Uncounted | None = None

    @property
    def supported(self) -> bool | None:
        """Whether the quality is supported; None if it cannot be judged."""
        return all_met(self.criteria)
