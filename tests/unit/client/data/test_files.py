import gzip
import json
import os
import subprocess
import sys
import threading

import polars
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
import zstandard

from headrace import read_items

TABLE = pyarrow.table({"id": ["007", None], "price": [1.5, float("nan")], "tags": [["a"], []]})
ROWS = [{"id": "007", "price": 1.5, "tags": ["a"]}, {"id": None, "price": None, "tags": []}]


def zstd(content):
    return zstandard.ZstdCompressor().compress(content)


def parquet(table=TABLE):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def arrow(new_writer):
    sink = pyarrow.BufferOutputStream()
    with new_writer(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue().to_pybytes()


CONTENTS = {
    "csv": b"a,b\n1,2\n",
    "tsv": b"a\tb\n1\t2\n",
    "jsonl": b'{"a":"1","b":"2"}\n',
    "json": b'[{"a":"1","b":"2"}]',
    "parquet": parquet(),
    "arrow": arrow(pyarrow.ipc.new_file),
    "arrows": arrow(pyarrow.ipc.new_stream),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd])
@pytest.mark.parametrize("has_name", [True, False])
@pytest.mark.parametrize("kind", CONTENTS)
def test_every_format_is_read_with_and_without_compression(items_of, kind, compress, has_name):
    name = f"rows.{kind.removesuffix('s')}" if has_name else "rows"
    items = items_of(compress(CONTENTS[kind]), name)
    items = [json.loads(item) if isinstance(item, str) else item for item in items]
    assert items == (ROWS if kind[0] in "pa" else [{"a": "1", "b": "2"}])


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_polars_reads_parquet_and_arrow_where_pyarrow_is_missing(items_of, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert items_of(CONTENTS[kind], "rows") == ROWS


@pytest.mark.parametrize(
    ("missing", "content", "extra"),
    [
        (["pyarrow", "polars"], CONTENTS["parquet"], "headrace[arrow]"),
        (["zstandard"], zstd(b"1\n"), "headrace[zstd]"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(items_of, refusal, monkeypatch, missing, content, extra):
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    assert f"pip install '{extra}'" in refusal(lambda: items_of(content, "rows"))


def test_text_without_a_telling_name_is_json_or_csv_by_its_first_line(items_of, refusal):
    assert items_of('"a","b"\n"1","2"\n', "rows") == [{"a": "1", "b": "2"}]
    assert items_of('"a"\n"b"\n', "rows") == ['"a"', '"b"']
    assert items_of("a;b\n1;2\n", "rows.txt") == [{"a": "1", "b": "2"}]
    assert "or name another format" in refusal(lambda: items_of("hello\nworld\n", "rows"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"a;b\n1;2\n", {"a": "1", "b": "2"}), (gzip.compress(b'{"a": 1}\n'), '{"a": 1}')],
    ids=["csv", "gzip"],
)
def test_a_pipe_that_delivers_single_bytes_is_read_like_a_file(tmp_path, content, expected):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write():
        with path.open("wb", buffering=0) as pipe:
            for byte in content:
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=write)
    writer.start()
    assert list(read_items(path)) == [expected]
    writer.join()


def test_a_glob_reads_its_files_by_name_and_skips_an_empty_one(tmp_path):
    for name, content in {"b.csv": "a\n2\n", "a.csv": "a\n1\n", "c.csv": "", "d.txt": "x"}.items():
        (tmp_path / name).write_text(content)
    assert list(read_items(f"{tmp_path}/*.csv")) == [{"a": "1"}, {"a": "2"}]
    assert list(read_items([tmp_path / "b.csv", tmp_path / "a.csv"])) == [{"a": "2"}, {"a": "1"}]


def test_a_file_whose_name_looks_like_a_glob_is_read_itself(tmp_path):
    (tmp_path / "rows[1].csv").write_text("a\n1\n")
    assert list(read_items(str(tmp_path / "rows[1].csv"))) == [{"a": "1"}]


def test_items_can_be_read_again(tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    items = read_items(tmp_path / "rows.csv")
    assert list(items) == list(items) == [{"a": "1"}]


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (gzip.compress(b"1\n" * 100)[:-6], "rows.gz", "rows.gz is broken"),
        (zstd(b"1\n" * 100)[:-6], "rows.zst", "rows.zst"),
        (CONTENTS["parquet"][:-6], "rows.parquet", "rows.parquet is not parquet or is broken"),
        (gzip.compress(gzip.compress(b"1\n")), "rows.gz", "is compressed twice"),
        (b"1\n", "rows.parquet", "is not parquet, as its name says"),
        (b"PK\x03\x04rest", "rows.xlsx", "spreadsheet: save it as CSV"),
    ],
    ids=["gzip", "zstd", "cut parquet", "twice", "not parquet", "spreadsheet"],
)
def test_a_broken_or_foreign_file_is_refused_by_name_and_remedy(items_of, refusal, content, name, expected):
    assert expected in refusal(lambda: items_of(content, name))


def test_a_file_that_is_not_there_is_refused(refusal, tmp_path):
    assert "No such file" in refusal(read_items(str(tmp_path / "none.csv")))
    assert "no file matches" in refusal(read_items(str(tmp_path / "*.csv")))


def test_an_empty_cell_of_parquet_is_refused_by_row_and_column(items_of, refusal):
    message = refusal(lambda: items_of(CONTENTS["parquet"], "rows.parquet", on_nan="refuse"))
    assert "rows.parquet row 2 column 'id' is empty" in message


def test_nanoseconds_of_parquet_lose_no_digit(items_of):
    exact, rounded = (
        pyarrow.array([1_700_000_000_123_456_789], "timestamp[ns]"),
        pyarrow.array([0], "timestamp[ns]"),
    )
    (item,) = items_of(parquet(pyarrow.table({"a": exact, "b": rounded})), "rows.parquet")
    assert str(item["a"]).endswith(".123456789")
    assert item["b"].isoformat() == "1970-01-01T00:00:00"


def test_no_library_of_tables_is_imported_for_plain_items():
    program = (
        "import sys; from headrace import read_items; list(read_items([{'a': 1}], on_nan='null')); "
        "print({'pandas', 'polars', 'pyarrow', 'numpy', 'zstandard'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_polars_is_installed_for_these_tests():
    assert polars.DataFrame({"a": [1]}).height == 1
