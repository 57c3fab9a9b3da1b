import datetime

import numpy
import pandas
import polars
import pyarrow
import pytest

from headrace import InvalidArgumentError, read_items
from headrace._submitting.item_reading import items_in

DAY = datetime.datetime(2026, 1, 31, 12)


def rows_of(source, **options):
    return list(read_items(source, **options))


COLUMNS = {"title": ["Cook", None], "price": [1.5, float("nan")], "count": [1, 2], "time": [DAY, None]}
EXPECTED = [
    {"title": "Cook", "price": 1.5, "count": 1, "time": DAY},
    {"title": None, "price": None, "count": 2, "time": None},
]
TABLES = {
    "pandas": pandas.DataFrame(COLUMNS),
    "polars": polars.DataFrame(COLUMNS),
    "arrow": pyarrow.table(COLUMNS),
    "batch": pyarrow.record_batch(COLUMNS),
    "reader": None,
}


def with_iso_times(rows):
    return [
        {
            key: value.isoformat() if isinstance(value, datetime.datetime) else value
            for key, value in row.items()
        }
        for row in rows
    ]


def table_named(name):
    return pyarrow.table(COLUMNS).to_reader() if name == "reader" else TABLES[name]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("read", [rows_of, lambda table: list(items_in(table))], ids=["read_items", "submit"])
def test_a_table_becomes_its_rows_and_never_its_column_names(name, read):
    assert with_iso_times(read(table_named(name))) == with_iso_times(EXPECTED)


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_value_is_refused_by_row_and_column(refusal, name):
    message = refusal(read_items(table_named(name), on_nan="refuse", limit=5))
    assert "row 1 column 'title' is empty" in message


class Arrow:
    """A table of another library that speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema=None):
        return pyarrow.table(COLUMNS).__arrow_c_stream__(requested_schema)


class Foreign:
    """A DataFrame of an unknown library, whose iteration yields the names of its columns."""

    columns, dtypes = ("a", "b"), {}

    def __iter__(self):
        return iter(self.columns)


def test_a_table_of_an_unknown_library_is_read_by_arrow_or_refused(refusal):
    assert len(rows_of(Arrow())) == 2
    assert "convert it to pandas or Arrow" in refusal(lambda: items_in(Foreign()))
    assert "frame.collect()" in refusal(lambda: items_in(polars.DataFrame(COLUMNS).lazy()))


def test_columns_with_the_same_name_are_refused(refusal):
    frame = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    assert "two columns named 'a'" in refusal(read_items(frame))
    assert "two columns named '1'" in refusal(read_items(pandas.DataFrame([[1, 2]], columns=[1, "1"])))
    levels = pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", "b")]))
    assert "column named by a tuple" in refusal(read_items(levels))


def test_a_column_named_by_a_number_gets_its_text():
    assert rows_of(pandas.DataFrame([["x", "y"]])) == [{"0": "x", "1": "y"}]
    assert rows_of(pandas.DataFrame({2024: ["x"], "item_index": [5]})) == [{"2024": "x", "item_index": 5}]


def test_a_named_index_is_a_column_and_another_index_is_not():
    frame = pandas.DataFrame({"id": [7, 8], "a": ["x", "y"]})
    assert rows_of(frame.set_index("id"))[0] == {"id": 7, "a": "x"}
    assert rows_of(frame[frame.id == 8]) == [{"id": 8, "a": "y"}]


def test_wide_tables_and_many_rows_are_complete():
    frame = pandas.DataFrame(numpy.arange(300 * 2_500).reshape(2_500, 300))
    rows = rows_of(frame)
    assert (len(rows), len(rows[0])) == (2_500, 300)
    assert [row["0"] for row in rows] == frame[0].tolist()
    assert rows == rows_of(pyarrow.Table.from_pandas(frame.rename(columns=str)))


def test_nan_inside_a_cell_is_null_and_infinity_is_refused_by_row_and_column(refusal):
    frame = pandas.DataFrame({"v": [[1.0, float("nan")], {"x": pandas.NaT}], "w": [pandas.NA, 1]})
    assert rows_of(frame) == [{"v": [1.0, None], "w": None}, {"v": {"x": None}, "w": 1}]
    message = refusal(read_items(pandas.DataFrame({"a": [1.0, float("inf")]})))
    assert "row 1 column 'a'" in message
    assert "infinity" in message


async def test_half_an_emoji_is_refused_by_row_and_column(client):
    frame = pandas.DataFrame({"text": pandas.Series(["fine", "half \ud83d"], dtype=object)})
    with pytest.raises(InvalidArgumentError, match=r"items\[1\].*\.text: .*half of an emoji"):
        await client.submit("noop", frame)


def test_the_values_of_a_column_are_items():
    values = ["a", float("nan")]
    assert list(items_in(pandas.Series(values))) == ["a", None]
    assert list(items_in(polars.Series(["a", None]))) == ["a", None]
    assert list(items_in(pyarrow.array(["a", None]))) == ["a", None]
