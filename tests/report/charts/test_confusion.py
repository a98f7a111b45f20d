"""The confusion of classes: shares of the rows, of raters in both orders, with the number in every cell."""

import pandas as pd

from segassay.report.charts.confusion import confusion_figure, confusions
from segassay.tables.classes import ANOTHER, ONE

NAMES = ["zone", "tumour"]


def table(*rows: tuple[str, str, str, str, int], amount: str = "n_pixels") -> pd.DataFrame:
    columns = ["case", "annotator_a", "annotator_b", "class_a", "class_b", amount]
    return pd.DataFrame([("1", *row) for row in rows], columns=columns)


NOTHING = table(amount="n_objects")


def test_both_orders_of_a_pair_count_and_rows_add_up_to_one() -> None:
    pixels = table(("anna", "ben", "zone", "tumour", 10), ("anna", "ben", "zone", "background", 30))
    (shown,) = confusions(pixels, NOTHING, NAMES, ["anna", "ben"])
    assert shown.shares.loc["zone"].tolist() == [0, 0.25, 0.75]
    assert shown.shares.loc["tumour"].tolist() == [1, 0, 0]
    assert shown.n == 50


def test_pairs_without_names_stand_in_the_table_in_both_orders_already() -> None:
    pixels = table((ONE, ANOTHER, "zone", "tumour", 10), (ONE, ANOTHER, "tumour", "zone", 10))
    (shown,) = confusions(pixels, NOTHING, NAMES, [])
    assert shown.n == 20


def test_a_model_has_its_own_panel_and_its_place_in_the_pair_does_not_matter() -> None:
    one = table(("anna", "net", "zone", "tumour", 10), ("anna", "net", "background", "tumour", 90))
    other = table(("net", "anna", "tumour", "zone", 10), ("net", "anna", "tumour", "background", 90))
    for pixels in (one, other):
        (shown,) = confusions(pixels, NOTHING, NAMES, ["anna"], ["net"])
        assert (shown.other, shown.n, shown.shares.loc["zone", "tumour"]) == ("net", 10, 1.0)


def test_a_class_that_nobody_uses_is_an_empty_row() -> None:
    pixels = table(("anna", "ben", "zone", "zone", 10))
    (shown,) = confusions(pixels, NOTHING, NAMES, ["anna", "ben"])
    assert shown.shares.loc["tumour"].isna().all()


def test_the_figure_has_the_number_in_every_cell() -> None:
    pixels = table(("anna", "ben", "zone", "tumour", 10), ("anna", "ben", "zone", "background", 30))
    objects = table(("anna", "ben", "zone", "zone", 3), amount="n_objects")
    panels = confusions(pixels, objects, NAMES, ["anna", "ben"])
    figure = confusion_figure(panels)
    first, second = (axes for axes in figure.axes if axes.get_title(loc="left"))
    assert [text.get_text() for text in first.texts] == ["0.00", "0.25", "0.75", "1.00", "0.00", "0.00"]
    assert [text.get_text() for text in second.texts] == ["1.00", "0.00"]
    assert first.get_title(loc="left") == "pixels (n = 50 comparisons)"
