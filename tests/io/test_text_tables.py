"""Tables by people and spreadsheets, read as text."""

import pytest

from segassay.errors import DataError
from segassay.io.text_tables import read_text_table


@pytest.mark.parametrize("text", ["case,group\n 0144 ,H\n0145,\n", "\ufeffcase; group\r\n0144;H\r\n0145;\r\n"])
def test_zeros_stay_blanks_go_and_nothing_is_empty_text(tmp_path, text):
    (tmp_path / "table.csv").write_bytes(text.encode())
    table = read_text_table(tmp_path / "table.csv")
    assert table.to_dict("list") == {"case": ["0144", "0145"], "group": ["H", ""]}


def test_words_that_mean_missing_elsewhere_are_text(tmp_path):
    (tmp_path / "table.csv").write_text("case,group\nNA,null\n")
    assert read_text_table(tmp_path / "table.csv").iloc[0].to_list() == ["NA", "null"]


@pytest.mark.parametrize("content", [b"", b"case,group\n1,H,more\n", "case\nä\n".encode("latin-1")])
def test_what_is_no_table_is_one_message(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"table.csv cannot be read as a CSV table in UTF-8"):
        read_text_table(tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"nowhere.csv cannot be read"):
        read_text_table(tmp_path / "nowhere.csv")
