import csv
import io
import tracemalloc

import pytest

from headrace import read_items

ROWS = [{"id": "007", "title": "Cook, evenings"}, {"id": "1e5", "title": 'a "quoted"\nline'}]


def written(rows, delimiter=",", end="\r\n"):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    writer.writerows([list(rows[0]), *[row.values() for row in rows]])
    return file.getvalue()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found_and_every_cell_stays_text(items_of, delimiter, end):
    assert items_of(written(ROWS, delimiter, end)) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_encoding_is_found(items_of, encoding):
    rows = [{"name": "Müller", "note": "€ 5"}, {"name": "José", "note": "line\nbreak"}]
    assert items_of(written(rows).encode(encoding)) == rows


@pytest.mark.parametrize("encoding", ["shift-jis", "koi8-r", "gbk", "cp1251"])
def test_an_encoding_that_cannot_be_told_is_refused_rather_than_guessed(items_of, refusal, encoding):
    text = {"shift-jis": "名前の表", "gbk": "名字和文本"}.get(encoding, "Привет")
    message = refusal(lambda: items_of(f"a,b\n{text},2\n".encode(encoding)))
    assert "is not UTF-8" in message
    assert "name its encoding" in message


def test_an_encoding_and_a_delimiter_may_be_named(items_of):
    rows = [{"a": "Привет, мир", "b": "x"}]
    content = written(rows, "~").encode("koi8-r")
    assert items_of(content, encoding="koi8-r", delimiter="~") == rows


def test_tsv_is_split_at_tabs_alone(items_of):
    assert items_of("a,b\tc\n1,2\t3\n", "rows.tsv") == [{"a,b": "1,2", "c": "3"}]


def test_a_single_column_of_prose_is_not_split_at_its_commas(items_of):
    assert items_of('text\nhello\n"a, b"\n') == [{"text": "hello"}, {"text": "a, b"}]


def test_the_delimiter_that_a_spreadsheet_names_is_used(items_of):
    assert items_of("sep=|\na|b;c\n1|2;3\n") == [{"a": "1", "b;c": "2;3"}]


def test_blank_lines_are_skipped_and_a_column_without_a_name_gets_its_number(items_of):
    assert items_of("\n,a\n0,x\n\n1,y\n") == [{"column_1": "0", "a": "x"}, {"column_1": "1", "a": "y"}]


def test_an_empty_cell_is_null_or_refused_by_row_and_column(items_of, refusal):
    content = "a,b\n1,2\n3,\n"
    assert items_of(content)[1] == {"a": "3", "b": None}
    message = refusal(lambda: items_of(content, on_nan="refuse"))
    assert "rows.csv row 2 (line 3)" in message
    assert "column 'b'" in message


def test_types_are_inferred_only_on_request_and_keep_every_digit(items_of):
    cells = ["1", "-2.5", "1e5", "007", "true", "False", "12345678901234567890123", "NaN", "1_000", "٣", ""]
    content = "v,w\n" + "".join(f"{cell},x\n" for cell in cells)
    assert [row["v"] for row in items_of(content)] == [*cells[:-1], None]
    inferred = [1, -2.5, 100000.0, "007", True, False, "12345678901234567890123", None, "1_000", "٣", None]
    assert [row["v"] for row in items_of(content, infer_types=True)] == inferred


def test_a_column_named_item_index_and_300_columns_pass(items_of):
    names = ["item_index", *[f"c{number}" for number in range(299)]]
    (row,) = items_of(",".join(names) + "\n" + ",".join(map(str, range(300))) + "\n")
    assert list(row) == names
    assert row["item_index"] == "0"
    assert row["c298"] == "299"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n1,2,3\n", "row 2 (line 3) has 3 cells and the header 2"),
        ('a,b\n"x\ny",2\n1\n', "row 2 (line 4) has 1 cells and the header 2"),
        ("a,b,a\n1,2,3\n", "two columns named 'a'"),
        ('a,b\n"1,2\n', "close it"),
        ('a,b\n"6" pipe,2\n', 'write a quote inside a quoted cell as ""'),
        ('a,b\n1,"' + "x" * 2_000_000, "over 1 MB"),
        ("", "has no items"),
        ("a,b\n", "must have rows below its header"),
        ("a,b\n" + "1,2\n" * 100_000 + "1,\xff\n".encode().decode(), None),
        (b"a,b\n" + b"1,2\n" * 100_000 + b"1,\xff\n", "is not UTF-8"),
        ("a,b\n1,\ud83d\n".encode("utf-16", "surrogatepass"), "is not UTF-16"),
    ],
    ids=["long", "short", "twice", "open", "quote", "huge", "empty", "header", "utf-8", "late", "half emoji"],
)
def test_a_file_that_is_not_csv_is_refused_by_row_and_remedy(items_of, refusal, content, expected):
    if expected is None:
        assert len(items_of(content)) == 100_001
        return
    message = refusal(lambda: items_of(content))
    assert expected in message
    assert "rows.csv" in message


def test_a_large_file_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n" + ("7,some words\n" * 200_000))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_items(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 4_000_000
