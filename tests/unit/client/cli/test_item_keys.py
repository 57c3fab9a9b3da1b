"""Keys and inputs of items on the command line."""

import json

import pytest

from headrace.jobs.v1 import jobs_pb2


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,title\n007,Cook\n1e5,Nurse\n")
    return str(path)


async def test_a_column_is_the_key(cli, gateway, rows):
    done = await cli.run("submit", "noop", "--items", rows, "--key", "id", "--select", "title")
    assert (done.code, done.err) == (0, "")
    assert list(gateway.requests[0].items) == ['{"title":"Cook"}', '{"title":"Nurse"}']
    assert list(gateway.requests[0].item_keys) == ["007", "1e5"]


@pytest.mark.parametrize(
    ("content", "key", "problem"),
    [
        ("id,title\n1,Cook\n,Nurse\n", "id", "item 1 field 'id': the key is empty or missing"),
        ("id,title\n1,Cook\n", "ID", "item 0 has no field 'ID'; it has 'id', 'title'"),
        ("id,title\n1,Cook\n", "", "key must be the name of a field"),
    ],
)
async def test_wrong_keys_are_bad_use(cli, gateway, tmp_path, content, key, problem):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    done = await cli.run("submit", "noop", "--items", str(path), "--key", key)
    assert done.code == 2
    assert problem in done.err
    assert not gateway.requests


async def test_a_key_twice_is_bad_use_that_names_both_items(cli, gateway, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id\n1\n2\n1\n")
    done = await cli.run("submit", "noop", "--items", str(path), "--key", "id")
    assert done.code == 2
    assert done.err.count("'1' is the key of items 0 and 2") == 1
    assert not gateway.requests


async def test_results_show_keys_and_inputs(cli, gateway, make_result, job_id):
    first, second = make_result(0), make_result(1, error="BAD")
    first.item_key, first.input = "a", '{"n":\n1.0}'
    gateway.recorded = [(1, first), (1, second)]
    done = await cli.run("results", job_id, "--include-inputs")
    assert done.out.splitlines() == [
        '0\ta\tSUCCEEDED\t{"label":"a"}\t{"n": 1.0}',
        "1\tFAILED\tBAD: it went wrong",
    ]
    assert gateway.requests[-1].include_inputs
    lines = (await cli.run("results", job_id, "--include-inputs", "--json")).out.splitlines()
    assert '"input":{"n": 1.0}' in lines[0]
    assert [json.loads(line)["item_key"] for line in lines] == ["a", ""]
    assert json.loads(lines[1])["input"] is None


async def test_items_are_printed_and_chosen(cli, gateway, make_result, job_id):
    result = make_result(0)
    gateway.items = [
        jobs_pb2.Item(item_index=0, item_key="a", input='{"n":1.0}', result=result),
        jobs_pb2.Item(item_index=1, input='"two"'),
        jobs_pb2.Item(item_index=2, item_key="c\x1b", input="3"),
    ]
    done = await cli.run("items", job_id)
    assert done.out.splitlines() == [
        '0\ta\tSUCCEEDED\t{"n":1.0}',
        '1\t-\t"two"',
        "2\tc\N{REPLACEMENT CHARACTER}\t-\t3",
    ]
    chosen = await cli.run("items", job_id, "--key", "a", "--index", "1", "--json")
    first, second = (json.loads(line) for line in chosen.out.splitlines())
    assert (first["item_key"], first["input"], first["result"]["output"]) == ("a", {"n": 1.0}, {"label": "a"})
    assert (second["item_index"], second["result"]) == (1, None)


async def test_a_retry_takes_keys(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    assert (await cli.run("retry", job_id, "--key", "a", "--key", "7")).code == 0
    assert list(gateway.requests[-1].item_keys) == ["a", "7"]
