"""Words of criteria that are not decided."""

from segassay.judgement.criteria import Missing, Number, What, Why
from segassay.judgement.words import _lines


def test_the_line_that_is_named_is_the_one_that_the_interval_contains() -> None:
    texts = [
        _lines(Missing(What.AMOUNT, Why.EITHER_SIDE, line=4 / 3), Number(1.0, low, high, 20))
        for low, high in ((0.72, 0.84), (1.2, 1.5), (0.7, 1.4))
    ]
    assert texts == ["0.75", "1.33", "0.75 or 1.33"]
    assert _lines(Missing(What.STANDING, Why.EITHER_SIDE, line=-0.05), Number(0.0, -0.1, 0.1, 20)) == "−0.05"
