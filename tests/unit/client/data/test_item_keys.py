"""Keys of items, from every source, and values that are no keys."""

import dataclasses
import datetime
import decimal
import enum
import uuid

import numpy
import pandas
import polars
import pyarrow
import pytest

from headrace import JsonText, read_items
from headrace._data.item_keys import KeyedItem
from headrace._data.items import items_of, with_keys

UUID = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@dataclasses.dataclass
class Row:
    id: object
    title: str = "Cook"


class Colour(enum.Enum):
    RED = "red"


def keyed(source, key="id"):
    """Returns the keys of items."""
    items = list(with_keys(items_of(source), key))
    assert all(type(item) is KeyedItem for item in items)
    return [item.key for item in items]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a", "a"),
        (" ", " "),
        (7, "7"),
        (-7, "-7"),
        (0, "0"),
        (1.0, "1.0"),
        (1e20, "1e+20"),
        (decimal.Decimal("1.50"), "1.50"),
        (numpy.int64(7), "7"),
        (numpy.float32(0.5), "0.5"),
        (numpy.str_("a"), "a"),
        (UUID, str(UUID)),
        (Colour.RED, "red"),
        (datetime.date(2026, 11, 30), "2026-11-30"),
        ("x" * 256, "x" * 256),
        ("\N{GRINNING FACE}" * 256, "\N{GRINNING FACE}" * 256),
    ],
)
def test_text_and_numbers_are_keys(value, key):
    assert keyed([{"id": value}]) == [key]
    assert keyed([Row(value)]) == [key]
    assert keyed([{"n": value}], lambda item: item["n"]) == [key]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "empty or missing"),
        ("", "empty or missing"),
        (float("nan"), "empty or missing"),
        (pandas.NaT, "empty or missing"),
        (pandas.NA, "empty or missing"),
        (True, "bool, not text or a number"),
        (numpy.bool_(True), "not text or a number"),
        (["a"], "list, not text or a number"),
        ({"a": 1}, "dict, not text or a number"),
        (Row("a"), "Row, not text or a number"),
        (float("inf"), "cannot be a key"),
        (b"a", "cannot be a key"),
        (object(), "cannot be a key"),
        ("x" * 257, "257 characters; the maximum is 256"),
        (10**300, "301 characters; the maximum is 256"),
        pytest.param(10**5000, "characters; the maximum is 256", id="5000 digits"),
        ("a\ud83d", "half of an emoji"),
    ],
)
def test_other_values_are_refused_with_their_item(refusal, value, problem):
    rows = [{"id": "first"}, {"id": value}]
    message = refusal(lambda: with_keys(rows, "id"))
    assert problem in message
    assert message.startswith("item 1 field 'id'")
    assert problem in refusal(lambda: with_keys(rows, lambda item: item["id"]))


def test_an_item_without_the_field_is_refused_with_the_fields_that_it_has(refusal):
    assert refusal(lambda: with_keys([{"id": 1}, {"ID": 1, "b": 2}], "id")) == (
        "item 1 has no field 'id'; it has 'ID', 'b'"
    )
    assert "is not an object" in refusal(lambda: with_keys(["a"], "id"))


@pytest.mark.parametrize("key", ["", 7, ["id"], object()])
def test_a_key_is_a_name_or_a_function(refusal, key):
    assert "name of a field or a function" in refusal(lambda: with_keys([{"id": 1}], key))


def test_an_error_of_the_function_is_unchanged():
    with pytest.raises(KeyError):
        keyed([{"id": 1}], lambda item: item["other"])


def test_numbers_of_json_text_keep_all_their_digits():
    texts = ["7", "123456789012345678901234567890", "1.50", "1e5", '"007"', "-0.0"]
    rows = [JsonText(f'{{"id": {text}}}') for text in texts]
    assert keyed(rows) == [text.strip('"') for text in texts]


def test_half_of_an_emoji_in_json_text_is_refused(refusal):
    rows = [JsonText('{"id": "a"}'), JsonText('{"id": "\\ud83d"}')]
    assert "half of an emoji" in refusal(lambda: with_keys(rows, "id"))
    rows = [JsonText('{"id": "a", "text": "\\ud83d"}')]
    assert keyed(rows) == ["a"]


def test_a_function_gets_the_value_of_json_text():
    assert keyed([JsonText('{"a": [1, 2]}')], lambda item: sum(item["a"])) == ["3"]


@pytest.mark.parametrize("name", ["item_index", "item_key", "key", "input"])
def test_a_column_may_have_a_name_of_the_api(items_of, name):
    columns = {name: ["a", "b"], "title": ["Cook", "Nurse"]}
    sources = (
        pandas.DataFrame(columns),
        polars.DataFrame(columns),
        pyarrow.table(columns),
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
    )
    for source in sources:
        items = list(with_keys(read_items(source), name))
        assert [item.key for item in items] == ["a", "b"]
        assert [dict(item.value) for item in items] == sources[-1]


FILES = {
    "rows.csv": "id,title\n007,Cook\n1e5,Nurse\n",
    "rows.tsv": "id\ttitle\n007\tCook\n1e5\tNurse\n",
    "rows.jsonl": '{"id": "007", "title": "Cook"}\n{"id": 1e5, "title": "Nurse"}\n',
    "rows.json": '[{"id": "007", "title": "Cook"}, {"id": 1e5, "title": "Nurse"}]',
}


@pytest.mark.parametrize("name", FILES)
def test_items_of_files_have_keys(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name])
    assert keyed(path) == ["007", "1e5"]
    assert keyed(read_items(str(path))) == ["007", "1e5"]


def test_an_empty_cell_of_csv_is_no_key(tmp_path, refusal):
    path = tmp_path / "rows.csv"
    path.write_text("id,title\n1,Cook\n,Nurse\n")
    assert "item 1 field 'id': the key is empty or missing" in refusal(
        lambda: with_keys(items_of(path), "id")
    )


def test_an_index_column_of_pandas_is_a_key():
    frame = pandas.DataFrame({"title": ["Cook", "Nurse"]}, index=pandas.Index([7, 9], name="id"))
    assert keyed(frame) == ["7", "9"]


def test_the_key_is_read_before_fields_are_selected_and_renamed():
    rows = [{"id": 1, "title": "Cook"}, {"id": 2, "title": "Nurse"}]
    chosen = with_keys(read_items(rows, select=["title"], rename={"title": "name"}), "id")
    assert list(chosen) == [({"name": "Cook"}, "1"), ({"name": "Nurse"}, "2")]


def test_dropped_items_need_no_key(refusal):
    rows = [{"id": 1}, {"id": 1}, {"id": 2}, {"id": None}]
    chosen = with_keys(read_items(rows, dedupe_by=["id"], limit=2), "id")
    assert [item.key for item in chosen] == ["1", "2"]
    assert "item 3" in refusal(lambda: with_keys(read_items(rows, dedupe_by=["id"]), "id"))


async def test_items_of_an_async_generator_have_keys():
    async def stream():
        yield {"id": 1}
        yield {"id": "b"}

    assert [item.key async for item in with_keys(stream(), "id")] == ["1", "b"]
