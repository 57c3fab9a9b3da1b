"""Files of results: their content, by format."""

import asyncio
import csv
import gzip
import io
import json
import math
import sys

import polars
import pyarrow.ipc
import pyarrow.parquet
import pytest
import zstandard

from headrace import InvalidArgumentError, read_items

HEADER = [
    "item_index", "item_key", "state", "output.label", "error.reason", "error.message", "attempt_count",
    "usage.call_count", "usage.input_tokens", "usage.output_tokens", "usage.cached_tokens",
    "usage.cost_micros",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("ended")


def rows_of(path, delimiter=","):
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), delimiter=delimiter))


def unzstd(packed):
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


async def csv_rows(client, job_id, tmp_path, **options):
    """Returns the rows of a job's CSV as dicts."""
    results = client.results(job_id, include_inputs=options.pop("include_inputs", False))
    await results.to_csv(tmp_path / "out.csv", **options)
    header, *rows = rows_of(tmp_path / "out.csv")
    return [dict(zip(header, row, strict=True)) for row in rows]


async def test_csv_has_a_row_for_each_result_with_its_output_error_and_usage(
    client, record, job_id, tmp_path
):
    record({"label": "a"}, None, keys=["k1", ""])
    assert await client.results(job_id).to_csv(tmp_path / "out.csv") == 2
    assert rows_of(tmp_path / "out.csv") == [
        HEADER,
        ["0", "k1", "SUCCEEDED", "a", "", "", "1", "1", "10", "2", "0", "7"],
        ["1", "", "FAILED", "", "TIMEOUT", "it went wrong", "1", "1", "10", "2", "0", "7"],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


async def test_json_lines_have_all_fields_and_the_exact_payloads(client, record, job_id, tmp_path):
    record('{"n":\n1.50}', inputs=[{"title": "x"}], keys=["k"])
    assert await client.results(job_id, include_inputs=True).to_jsonl(tmp_path / "out.jsonl") == 1
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert '"output":{"n": 1.50}' in line
    fields = json.loads(line)
    assert (fields["item_index"], fields["item_key"], fields["input"]) == (0, "k", {"title": "x"})


async def test_the_ending_of_a_name_compresses_text(client, record, job_id, tmp_path):
    record({"label": "a"})
    for name, unpack in ("out.csv.gz", gzip.decompress), ("out.csv.zst", unzstd):
        await client.results(job_id).to_csv(tmp_path / name)
        packed = (tmp_path / name).read_bytes()
        text = unpack(packed)
        assert text.decode().splitlines()[0] == ",".join(HEADER)
    await client.results(job_id).to_jsonl(tmp_path / "out.jsonl.gz")
    assert len(gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()) == 1


async def test_tsv_is_delimited_by_tabs(client, record, job_id, tmp_path):
    record({"label": "a\tb"})
    await client.results(job_id).to_csv(tmp_path / "out.tsv")
    assert dict(zip(*rows_of(tmp_path / "out.tsv", "\t"), strict=True))["output.label"] == "a\tb"


async def test_columns_are_those_of_all_results_also_of_the_last(client, record, job_id, tmp_path):
    record({"a": 1}, {"b": None}, {"c": [1, 2], "a": True})
    rows = await csv_rows(client, job_id, tmp_path)
    assert [(row["output.a"], row["output.b"], row["output.c"]) for row in rows] == [
        ("1", "", ""),
        ("", "", ""),
        ("true", "", "[1,2]"),
    ]


async def test_fields_named_like_columns_do_not_collide(client, record, job_id, tmp_path):
    record({"item_index": 7, "state": "x", "error.reason": "y", "": "z"}, inputs=[{"item_index": 8}])
    (row,) = await csv_rows(client, job_id, tmp_path, include_inputs=True)
    assert (row["item_index"], row["output.item_index"], row["input.item_index"]) == ("0", "7", "8")
    assert (row["state"], row["output.state"]) == ("SUCCEEDED", "x")
    assert (row["error.reason"], row["output.error.reason"], row["output."]) == ("", "y", "z")


async def test_300_columns_stay_300_columns(client, record, job_id, tmp_path):
    record({f"f{number}": number for number in range(300)})
    (row,) = await csv_rows(client, job_id, tmp_path)
    assert [row[f"output.f{number}"] for number in range(300)] == [str(number) for number in range(300)]


async def test_outputs_whose_fields_are_data_are_json_in_one_column(client, record, job_id, tmp_path):
    record(*({f"id-{number}": number} for number in range(1200)))
    rows = await csv_rows(client, job_id, tmp_path)
    assert len(rows[0]) == len(HEADER)
    assert [json.loads(row["output"]) for row in rows] == [{f"id-{number}": number} for number in range(1200)]


async def test_an_output_that_is_not_an_object_has_a_column_of_its_own(client, record, job_id, tmp_path):
    record("5", '"text"', {"a": 1}, "[1]")
    rows = await csv_rows(client, job_id, tmp_path)
    assert [(row["output.a"], row["output"]) for row in rows] == [
        ("", "5"),
        ("", "text"),
        ("1", ""),
        ("", "[1]"),
    ]


async def test_text_of_every_kind_comes_back_from_csv(client, record, job_id, tmp_path):
    texts = [
        "line\nbreak",
        "carriage\r\nreturn",
        'quo"te',
        "a,b",
        "\u00e9\u4e2d\U0001f600\u2028",
        "  space ",
        "007",
        "1e5",
    ]
    record(*({"label": text} for text in texts))
    rows = await csv_rows(client, job_id, tmp_path)
    assert [row["output.label"] for row in rows] == texts
    items = list(read_items(tmp_path / "out.csv"))
    assert [item["output.label"] for item in items] == texts


async def test_half_an_emoji_is_kept_in_json_lines_and_replaced_in_tables(client, record, job_id, tmp_path):
    record('{"label": "a\\ud83d"}')
    (row,) = await csv_rows(client, job_id, tmp_path)
    assert row["output.label"] == "a\ufffd"
    await client.results(job_id).to_jsonl(tmp_path / "out.jsonl")
    assert b'"a\\ud83d"' in (tmp_path / "out.jsonl").read_bytes()
    await client.results(job_id).to_parquet(tmp_path / "out.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet")["output.label"].to_pylist() == ["a\ufffd"]


async def test_numbers_without_a_finite_form_are_written(client, record, job_id, tmp_path):
    record('{"n": 1e999}', '{"n": 123456789012345678901234567890}', '{"n": null}')
    rows = await csv_rows(client, job_id, tmp_path)
    assert rows[0]["output.n"] == "Infinity"
    assert math.isclose(float(rows[1]["output.n"]), 1.2345678901234568e29)
    assert rows[2]["output.n"] == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
async def test_text_that_a_spreadsheet_runs_is_escaped_if_asked(client, record, job_id, tmp_path, text):
    record({"label": text, "n": -1, text: "f"}, keys=[text])
    (row,) = await csv_rows(client, job_id, tmp_path)
    assert (row["output.label"], row["item_key"]) == (text, text)
    (row,) = await csv_rows(client, job_id, tmp_path, escape_formulas=True)
    assert (row["output.label"], row["item_key"]) == (f"'{text}", f"'{text}")
    assert (row["output.n"], row[f"output.{text}"]) == ("-1", "f")


async def test_parquet_has_the_narrowest_type_of_each_column(client, record, job_id, tmp_path):
    record(
        {
            "n": 1,
            "f": 1,
            "t": "x",
            "b": True,
            "l": [1],
            "e": [],
            "m": 1,
            "o": {"k": 1},
            "big": 2**63,
            "z": None,
        },
        {"n": 2, "f": 0.5, "t": "y", "b": None, "l": [0.5], "e": ["a"], "m": "one", "o": {}, "big": 1},
        None,
    )
    assert await client.results(job_id).to_parquet(tmp_path / "out.parquet") == 3
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    columns = {name.removeprefix("output."): table[name] for name in table.column_names}
    names = ("n", "f", "t", "b", "l", "e", "m", "o", "big", "z")
    assert {name: str(columns[name].type) for name in names} == {
        "n": "int64", "f": "double", "t": "string", "b": "bool", "l": "list<element: double>",
        "e": "list<element: string>", "m": "string", "o": "string", "big": "string", "z": "string",
    }  # fmt: skip
    assert columns["m"].to_pylist() == ["1", "one", None]
    assert columns["o"].to_pylist() == ['{"k":1}', "{}", None]
    assert columns["l"].to_pylist() == [[1.0], [0.5], None]
    assert columns["big"].to_pylist() == ["9223372036854775808", "1", None]
    assert columns["item_index"].to_pylist() == [0, 1, 2]


async def test_a_job_without_results_makes_files_with_a_header(client, job_id, tmp_path):
    await client.results(job_id).to_parquet(tmp_path / "out.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == [name for name in HEADER if name != "output.label"]
    await client.results(job_id).to_csv(tmp_path / "out.csv")
    assert rows_of(tmp_path / "out.csv") == [table.column_names]
    await client.results(job_id).to_jsonl(tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == b""


async def test_tables_in_memory_have_the_same_rows(client, record, job_id):
    record({"n": 2**60 + 1, "t": "x", "o": {"k": 1}, "b": True}, None)
    frame = await client.results(job_id).to_pandas()
    assert frame["output.n"].tolist()[0] == 2**60 + 1
    assert (str(frame["output.n"].dtype), str(frame["output.b"].dtype)) == ("Int64", "boolean")
    assert frame["output.n"].isna().tolist() == [False, True]
    assert frame["output.o"].tolist() == [{"k": 1}, None]
    assert frame["item_index"].dtype == "int64"
    table = await client.results(job_id).to_arrow()
    assert table["output.n"].to_pylist() == [2**60 + 1, None]
    polars_frame = await client.results(job_id).to_polars()
    assert polars_frame["output.n"].to_list() == [2**60 + 1, None]
    assert polars_frame["output.o"].to_list() == ['{"k":1}', None]
    assert polars_frame.columns == table.column_names == list(frame.columns)


async def test_tables_in_memory_of_no_results_have_columns(client, job_id):
    results = client.results(job_id)
    assert len(await results.to_pandas()) == (await results.to_polars()).height == 0
    assert (await results.to_arrow()).column_names == (await results.to_polars()).columns


async def test_a_list_holds_all_results_whatever_was_iterated_before(client, record, job_id):
    record({"n": 1}, None, {"n": 3})
    results = client.results(job_id)
    assert (await anext(results)).item_index == 0
    assert [result.item_index for result in await results.to_list()] == [0, 1, 2]
    assert (await anext(results)).item_index == 1
    await results.aclose()


async def test_the_sync_client_writes_the_same(sync_client, client, record, job_id, tmp_path):
    record({"label": "a"}, None)

    def read():
        results = sync_client.results(job_id)
        assert results.to_csv(tmp_path / "sync.csv") == results.to_parquet(tmp_path / "a.parquet") == 2
        assert results.to_jsonl(tmp_path / "a.jsonl") == len(results.to_list()) == len(list(results)) == 2
        assert len(results.to_pandas()) == results.to_polars().height == results.to_arrow().num_rows == 2

    await asyncio.to_thread(read)
    await client.results(job_id).to_csv(tmp_path / "async.csv")
    assert (tmp_path / "sync.csv").read_bytes() == (tmp_path / "async.csv").read_bytes()


@pytest.mark.parametrize(
    ("method", "library", "extra"),
    [("to_pandas", "pandas", "pandas"), ("to_polars", "polars", "polars"), ("to_arrow", "pyarrow", "arrow")],
)
async def test_a_missing_library_is_named_with_its_extra(client, job_id, monkeypatch, method, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InvalidArgumentError, match=rf"pip install 'headrace\[{extra}\]'"):
        await getattr(client.results(job_id), method)()


async def test_a_missing_library_of_a_file_is_told_before_anything_is_written(
    client, job_id, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidArgumentError, match=r"pip install 'headrace\[arrow\]'"):
        await client.results(job_id).to_parquet(tmp_path / "out.parquet")
    assert not list(tmp_path.iterdir())


async def test_polars_and_arrow_read_what_was_written(client, record, job_id, tmp_path, cli):
    record({"label": "a"}, None)
    for name in ("out.parquet", "out.arrow"):
        done = await cli.run("results", job_id, "--output", str(tmp_path / name))
        assert (done.code, done.out) == (0, "")
    assert polars.read_parquet(tmp_path / "out.parquet")["state"].to_list() == ["SUCCEEDED", "FAILED"]
    assert pyarrow.ipc.open_file(tmp_path / "out.arrow").read_all()["item_index"].to_pylist() == [0, 1]


NUMBERS = ('{"n": 1e999}', '{"n": null}', '{"n": 2}')


async def test_values_without_an_exact_type_are_kept_in_every_table(client, record, job_id):
    record(*NUMBERS)
    frame = await client.results(job_id).to_pandas()
    table = await client.results(job_id).to_arrow()
    polars_frame = await client.results(job_id).to_polars()
    assert str(frame["output.n"].dtype) == "float64"
    assert frame["output.n"].isna().tolist() == [False, True, False]
    assert table["output.n"].to_pylist() == polars_frame["output.n"].to_list() == [math.inf, None, 2.0]


async def test_a_column_of_many_kinds_is_text_in_arrow_and_values_in_pandas(client, record, job_id):
    values = [1, "one", {"k": [1]}, None, True, 2**63]
    record(*({"m": value} for value in values))
    frame = await client.results(job_id).to_pandas()
    assert frame["output.m"].tolist() == values
    table = await client.results(job_id).to_arrow()
    texts = ["1", "one", '{"k":[1]}', None, "true", "9223372036854775808"]
    assert table["output.m"].to_pylist() == texts
    assert (await client.results(job_id).to_polars())["output.m"].to_list() == texts


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000, 1001, 2500])
async def test_arrow_keeps_values_and_gaps_over_many_batches(client, gateway, record, job_id, count):
    gateway.page_size = 1000
    record(
        *(
            {"i": n, "b": n % 3 == 0, "t": "\u00e9" * (n % 5), "l": [0.5] * (n % 4)} if n % 7 else None
            for n in range(count)
        )
    )
    rows = (await client.results(job_id).to_arrow()).to_pylist()
    for n, row in enumerate(rows):
        found = [row.get(f"output.{name}") for name in "ibtl"]
        expected = [n, n % 3 == 0, "\u00e9" * (n % 5), [0.5] * (n % 4)] if n % 7 else [None] * 4
        assert found == expected
    assert len(rows) == count
