"""Tables by people and spreadsheets, read as text."""

import pytest

from segassay.errors import DataError
from segassay.io.text_tables import read_text_table


@pytest.mark.parametrize("text", ["case,group\n 0144 ,H\n0145,\n", "\ufeffcase; group\r\n0144;H\r\n0145;\r\n"])
def test_zeros_stay_blanks_go_and_nothing_is_empty_text(tmp_path, text):
    (tmp_path / "table.csv").write_bytes(text.encode())
    table = read_text_table(tmp_path / "table.csv")
    assert table.to_dict("list") == {"case": ["0144", "0145"], "group": ["H", ""]}


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ('case,"note; free"', ["case", "note; free"]),
        ('case;"note, free"', ["case", "note, free"]),
        ('"note; ""free""",case', ['note; "free"', "case"]),
        ('case\t"a;b"', ["case", "a;b"]),
        ('case;5" lens', ["case", '5" lens']),
    ],
)
def test_what_stands_in_quotes_separates_nothing(tmp_path, header, columns):
    mark = next(mark for mark in "\t;," if mark in header.replace("note; ", "").replace("a;b", ""))
    (tmp_path / "table.csv").write_text(f"{header}\n1{mark}2\n")
    table = read_text_table(tmp_path / "table.csv")
    assert (list(table), table.iloc[0].to_list()) == (columns, ["1", "2"])


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


def test_more_columns_than_any_table_has_are_refused_before_they_take_time(tmp_path):
    names = [f"c{number}" for number in range(1001)]
    (tmp_path / "table.csv").write_text(",".join(names[:1000]) + "\n1\n")
    assert read_text_table(tmp_path / "table.csv").shape == (1, 1000)
    (tmp_path / "table.csv").write_text(",".join(names) + "\n1\n")
    with pytest.raises(DataError, match=r"table.csv has 1001 columns; expected at most 1000; delete those"):
        read_text_table(tmp_path / "table.csv")


def test_a_name_of_a_column_that_is_longer_than_csv_allows_is_one_message(tmp_path):
    (tmp_path / "table.csv").write_text("case," + "x" * 200_000 + "\n1,2\n")
    with pytest.raises(DataError, match=r"table.csv cannot be read as a CSV table in UTF-8: field larger than"):
        read_text_table(tmp_path / "table.csv")


def test_empty_rows_and_invisible_blanks_go_and_rows_keep_their_numbers(tmp_path):
    (tmp_path / "table.csv").write_text(
        "case;group\n001;H\n;\n\u200b002\u200b;\u00a0C\n\n;;\n 003;\n", encoding="utf-8"
    )
    table = read_text_table(tmp_path / "table.csv")
    assert table.to_dict("list") == {"case": ["001", "002", "003"], "group": ["H", "C", ""]}
    assert table.index.to_list() == [2, 4, 7]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_unicode_text_of_excel_is_read(tmp_path, encoding, end):
    mark = {"utf-16": "", "utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}[encoding]
    text = end.join([mark + "case\tgroup", "001\tKäfig", "002\tH", ""])
    (tmp_path / "table.csv").write_bytes(text.encode(encoding))
    assert read_text_table(tmp_path / "table.csv").to_dict("list") == {"case": ["001", "002"], "group": ["Käfig", "H"]}


def test_a_workbook_and_other_letters_say_how_to_save(tmp_path):
    (tmp_path / "e.xlsx").write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(DataError, match=r"e\.xlsx is an Excel workbook; in Excel: Save As › CSV UTF-8"):
        read_text_table(tmp_path / "e.xlsx")
    (tmp_path / "e.csv").write_bytes("case,group\n1,H\n2,Käfig\n".encode("cp1252"))
    with pytest.raises(DataError, match="row 3 is not in UTF-8"):
        read_text_table(tmp_path / "e.csv")
