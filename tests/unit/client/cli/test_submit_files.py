"""Files of every format on the command line, and the flags that choose their items."""

import gzip

import pyarrow
import pyarrow.parquet
import pytest


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,title,note\n007,Cook,\n1e5,Nurse,x\n007,Cook,y\n")
    return str(path)


async def test_csv_is_sent_as_objects_of_text(cli, gateway, rows):
    done = await cli.run("submit", "noop", "--items", rows)
    assert (done.code, done.err) == (0, "")
    assert list(gateway.requests[0].items) == [
        '{"id":"007","title":"Cook","note":null}',
        '{"id":"1e5","title":"Nurse","note":"x"}',
        '{"id":"007","title":"Cook","note":"y"}',
    ]


async def test_flags_choose_items_and_fields(cli, gateway, rows):
    flags = ["--dedupe-by", "id", "--dedupe-by", "title", "--select", "title", "--select", "id"]
    done = await cli.run("submit", "noop", "--items", rows, *flags, "--rename", "id=key")
    assert done.code == 0
    assert list(gateway.requests[0].items) == [
        '{"title":"Cook","key":"007"}',
        '{"title":"Nurse","key":"1e5"}',
    ]
    assert (await cli.run("submit", "noop", "--items", rows, "--limit", "1", "--infer-types")).code == 0
    assert list(gateway.requests[1].items) == ['{"id":"007","title":"Cook","note":null}']
    assert (await cli.run("submit", "noop", "--items", rows, "--sample", "2")).code == 0
    assert len(gateway.requests[2].items) == 2


async def test_stdin_may_be_compressed_and_of_any_format(cli, gateway):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x"]}), sink)
    for content in (gzip.compress(b"a;b\n1;2\n"), sink.getvalue().to_pybytes(), b"a\tb\n1\t2\n"):
        assert (await cli.run("submit", "noop", "--items", "-", stdin=content)).code == 0
    texts = [list(request.items) for request in gateway.requests]
    assert texts == [['{"a":"1","b":"2"}'], ['{"a":"x"}'], ['{"a":"1","b":"2"}']]


async def test_an_encoding_a_delimiter_and_a_format_may_be_named(cli, gateway):
    flags = ["--format", "csv", "--encoding", "koi8-r", "--delimiter", "\\t"]
    done = await cli.run("submit", "noop", "--items", "-", *flags, stdin="ж\tb\nя\t,\n".encode("koi8-r"))
    assert done.code == 0
    assert list(gateway.requests[0].items) == ['{"ж":"я","b":","}']


async def test_a_glob_names_several_files(cli, gateway, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"a\n{name}\n")
    assert (await cli.run("submit", "noop", "--items", f"{tmp_path}/*.csv")).code == 0
    assert list(gateway.requests[0].items) == ['{"a":"a"}', '{"a":"b"}']


async def test_an_empty_cell_is_refused_on_request_and_nothing_is_submitted(cli, gateway, rows):
    done = await cli.run("submit", "noop", "--items", rows, "--on-nan", "refuse")
    assert (done.code, done.out, gateway.requests) == (2, "", [])
    assert "rows.csv row 1 (line 2) has an empty cell in column 'note'" in done.err
    assert "nothing was submitted" in done.err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--select", "none"], "item 0 has no field 'none'"),
        (["--rename", "id"], "--rename must be OLD=NEW"),
        (["--format", "xlsx"], "format must be one of jsonl"),
        (["--encoding", "utf-9"], "encoding 'utf-9' is not known"),
        (["--on-nan", "drop"], "on_nan must be one of null, refuse"),
        (["--limit", "0"], "--limit"),
    ],
    ids=str,
)
async def test_a_wrong_flag_is_bad_use(cli, gateway, rows, flags, expected):
    done = await cli.run("submit", "noop", "--items", rows, *flags)
    assert (done.code, done.out, gateway.requests) == (2, "", [])
    assert expected in done.err
    assert "Traceback" not in done.err
