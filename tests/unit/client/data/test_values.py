import asyncio
import collections
import datetime
import decimal
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
import polars
import pydantic
import pytest

from headrace import InvalidArgumentError, read_items


@dataclass
class Row:
    title: str
    price: object


class Model(pydantic.BaseModel):
    title: str
    price: decimal.Decimal | float


Pair = collections.namedtuple("Pair", "a b")
NOON = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Row("Cook", decimal.Decimal("19.90")), '{"title":"Cook","price":"19.90"}'),
        (Model(title="Cook", price=decimal.Decimal("19.90")), '{"title":"Cook","price":"19.90"}'),
        ({"m": Model(title="a", price=1.5)}, '{"m":{"title":"a","price":1.5}}'),
        (Pair(1, None), '{"a":1,"b":null}'),
        (numpy.int64(3), "3"),
        (numpy.float32(0.5), "0.5"),
        (numpy.float64(0.1), "0.1"),
        (numpy.bool_(True), "true"),
        (numpy.str_("a"), '"a"'),
        (numpy.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
        (numpy.datetime64("2026-01-31T12:00:00.123456789"), '"2026-01-31T12:00:00.123456789"'),
        (numpy.timedelta64(1500, "ms"), "1.5"),
        (pandas.Timestamp("2026-01-31T12:00:00Z"), '"2026-01-31T12:00:00+00:00"'),
        (NOON, '"2026-01-31T12:00:00+00:00"'),
        (datetime.date(2026, 1, 31), '"2026-01-31"'),
        (datetime.timedelta(minutes=1.5), "90.0"),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ({"item_index": None, "n": numpy.int64(1)}, '{"item_index":null,"n":1}'),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
async def test_a_python_value_becomes_json(client, gateway, value, text):
    await client.submit("noop", items=[value])
    assert list(gateway.requests[0].items) == [text]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": {"b": [1, float("nan")]}}, ".a.b[1]: NaN"),
        ({"a": numpy.float32("nan")}, ".a: NaN"),
        ({"a": numpy.array([1.0, numpy.inf])}, ".a[1]: NaN and infinity"),
        ({"a": pandas.NaT}, ".a: NaN"),
        ({"a": decimal.Decimal("NaN")}, ".a: NaN"),
        (Row("a", float("inf")), ".price: NaN and infinity"),
        (Model(title="a", price=float("nan")), "NaN"),
        ({"text": "half \ud83d"}, ".text: str is not valid UTF-8: surrogates not allowed, at character 5"),
        ({1: "a"}, "Dict key must be str, not int (1)"),
        ({"a": {numpy.int64(1): 2}}, ".a: Dict key must be str"),
        ({"a": b"x"}, ".a: Type is not JSON serializable: bytes"),
        ({"a": 2**70}, ".a: Integer exceeds 64-bit range"),
        ({"a": pandas.DataFrame({"b": [1]})}, ".a: Type is not JSON serializable: DataFrame"),
        ({"a": {1, 2}}, "set"),
    ],
    ids=lambda value: str(value)[:25],
)
async def test_a_value_that_json_cannot_hold_is_refused_by_its_place(client, gateway, value, why):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", items=[0, value])
    assert caught.value.violations[0].field == "items[1]"
    assert why in caught.value.message
    assert gateway.requests == []


def test_nan_of_python_values_is_null_on_request():
    items = [{"a": float("nan"), "b": [numpy.float32("nan")]}, Row("x", pandas.NA)]
    expected = [{"a": None, "b": [None]}, {"title": "x", "price": None}]
    assert list(read_items(items, on_nan="null")) == expected


FRAME = {"title": ["Cook", None], "n": [1, 2]}
FRAME_ITEMS = ['{"title":"Cook","n":1}', '{"title":null,"n":2}']


@pytest.mark.parametrize(
    "table", [pandas.DataFrame(FRAME), polars.DataFrame(FRAME)], ids=["pandas", "polars"]
)
async def test_both_clients_submit_the_rows_of_a_dataframe(client, sync_client, gateway, table):
    await client.submit("noop", table)
    await asyncio.to_thread(sync_client.submit, "noop", table)
    assert [list(request.items) for request in gateway.requests] == [FRAME_ITEMS] * 2


async def test_both_clients_submit_files_and_shaped_items(client, sync_client, gateway, tmp_path):
    path = Path(tmp_path / "rows.csv")
    path.write_text("id,a\n007,x\n008,\n")
    await client.submit("noop", path)
    await client.estimate("noop", path)
    await asyncio.to_thread(sync_client.submit, "noop", read_items(path, select=["id"], limit=1))
    rows = ['{"id":"007","a":"x"}', '{"id":"008","a":null}']
    assert [list(request.items) for request in gateway.requests] == [rows, rows, ['{"id":"007"}']]


async def test_an_error_in_a_file_reaches_the_caller_of_both_clients(client, sync_client, gateway, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1\n")
    for submit in (client.submit, lambda *args: asyncio.to_thread(sync_client.submit, *args)):
        with pytest.raises(InvalidArgumentError, match="row 1"):
            await submit("noop", tmp_path / "rows.csv")
    assert gateway.requests == []


async def test_a_text_is_not_a_file_and_the_error_names_the_remedy(client):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", "rows.csv")
    assert "read_items(path)" in caught.value.violations[0].description
