"""How text is kept while we compute is nobody else's matter, and changes no byte of a table."""

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.io.text_columns import python_strings

OPTION = "mode.string_storage"
BLOCK = np.ones((6, 6), dtype=bool)


def test_the_option_is_given_back_also_after_an_error_and_inside_another() -> None:
    @python_strings()
    def nested(depth: int) -> str:
        return nested(depth - 1) if depth else str(pd.get_option(OPTION))

    with pd.option_context(OPTION, "pyarrow"):
        assert nested(2) == "python"
        assert pd.get_option(OPTION) == "pyarrow"
        with pytest.raises(ValueError, match="wrong"), python_strings():
            raise ValueError("wrong")
        assert pd.get_option(OPTION) == "pyarrow"


def test_tables_are_the_same_whatever_pandas_keeps_text_in() -> None:
    """Also where the table of annotations comes in Arrow's arrays, in an order of its own."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        [
            {"case": case, "annotator": name, "kind": kind, "path": np.kron(rng.random((4, 4)) < 0.2, BLOCK)}
            for case in ("10", "9", "é", "a b")
            for name, kind in (("ben", "human"), ("anna", "human"), ("Zoë", "human"), ("net", "model"))
        ]
    )
    arrow = pd.StringDtype("pyarrow", **({"na_value": np.nan} if pd.__version__ >= "3" else {}))
    given = table.astype(dict.fromkeys(("case", "annotator", "kind"), arrow))
    with pd.option_context(OPTION, "pyarrow"):
        plain, wrapped = evaluate.__wrapped__(annotations=given), evaluate(annotations=given)  # type: ignore[attr-defined]
    if pd.__version__ >= "3":  # before, both are objects
        assert [found.agreement["case"].dtype.storage for found in (plain, wrapped)] == ["pyarrow", "python"]
    assert plain.frames.keys() == wrapped.frames.keys()
    for name, one in plain.frames.items():
        assert one.to_csv(index=False) == wrapped.frames[name].to_csv(index=False), name
    assert plain.summary == wrapped.summary
