"""Output formats of the commands that list and get: ``--format``."""

import asyncio
import csv
import io
import json
import re
import sys
from contextlib import suppress

import pytest
import yaml

from headrace._cli.output.formats import Format
from headrace._cli.output.layout import TableLayout
from headrace._cli.output.printing import Printer, print_all
from headrace._cli.output.tables import draw_table
from headrace._cli.output.views import FAILURES, JOBS, KINDS, WORKERS
from headrace._messages.conversion import to_job
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.resources import FailureGroup, KindInfo, WorkerInfo

LISTED = ("list", "kinds", "workers", "failures", "items", "logs", "usage")
OF_JOBS = ("failures", "items", "logs")
ERROR = jobs_pb2.Error(reason="BAD", message='=1+1, "two"\nlines \N{GRINNING FACE}')


@pytest.fixture
def filled(gateway, make_job, make_result):
    gateway.jobs = [
        make_job(succeeded=2, job_id="job-1"),
        make_job(state="FAILED", job_id="job-2", error=ERROR),
    ]
    gateway.recorded = [
        (1, make_result(3, error="BAD", detail="too long")),
        (1, make_result(4, error="WORSE")),
    ]
    gateway.kinds = [jobs_pb2.Kind(name=name, description="Nothing.", params_schema="{}") for name in "ab"]
    gateway.workers = [jobs_pb2.Worker(incarnation=name, address="127.0.0.1:1") for name in ("w1", "w2")]
    gateway.items = [jobs_pb2.Item(item_index=index, item_key=f"k{index}", input="[1]") for index in (3, 4)]
    gateway.items[0].result.CopyFrom(make_result(3))
    gateway.events = [
        jobs_pb2.JobHistoryEvent(number=number, message=f"m{number}", count=1) for number in (7, 8)
    ]
    gateway.usage = gateway_pb2.GetUsageResponse(
        groups=[jobs_pb2.UsageGroup(day=day, job_count=1) for day in ("2026-01-30", "2026-01-31")]
    )
    return gateway


def arguments(command, job_id):
    return [command, job_id] if command in OF_JOBS else [command]


@pytest.mark.parametrize("command", LISTED)
async def test_every_listing_has_every_format(cli, filled, command):
    run = {form: await cli.run(*arguments(command, "job-1"), "-o", form) for form in Format}
    assert {(done.code, done.err) for done in run.values()} == {(0, "")}
    table, wide, names = (run[form].out.splitlines() for form in (Format.TABLE, Format.WIDE, Format.NAME))
    listed = json.loads(run[Format.JSON].out)
    assert len(listed) == len(names) == 2
    assert names == [name for name in names if any(name in line for line in table)]
    assert len(wide[0]) >= len(table[0])
    assert run[Format.JSONL].objects == listed
    assert yaml.safe_load(run[Format.YAML].out) == listed
    rows = list(csv.DictReader(io.StringIO(run[Format.CSV].out)))
    assert len(rows) == 2
    assert run[Format.JSONL].out == (await cli.run(*arguments(command, "job-1"), "--json")).out


@pytest.mark.parametrize(
    ("form", "printed"), [("json", "[]\n"), ("yaml", "[]\n"), ("table", ""), ("name", "")]
)
async def test_an_empty_list_is_valid_in_every_format(cli, gateway, form, printed):
    assert (await cli.run("list", "--format", form)).out == printed


async def test_an_empty_list_as_csv_is_its_header(cli, gateway):
    (header,) = csv.reader(io.StringIO((await cli.run("list", "-o", "csv")).out))
    assert header[:3] == ["job_id", "kind", "state"]
    assert {"progress.total_count", "usage.cost_micros", "error.reason", "options"} < set(header)


async def test_csv_keeps_every_text_and_leaves_null_empty(cli, filled):
    first, second = csv.DictReader(io.StringIO((await cli.run("list", "-o", "csv")).out))
    assert (first["job_id"], first["progress.succeeded_count"]) == ("job-1", "2")
    assert (first["error.message"], first["finish_time"], first["options"]) == ("", "", "{}")
    assert second["error.message"] == ERROR.message
    assert first["create_time"] == "2027-01-15T08:00:00Z"


async def test_one_job_is_an_object_and_several_are_a_list(cli, filled):
    assert json.loads((await cli.run("get", "job-1", "-o", "json")).out)["job_id"] == "job-1"
    assert yaml.safe_load((await cli.run("get", "job-1", "-o", "yaml")).out)["job_id"] == "job-1"
    assert [
        job["job_id"] for job in json.loads((await cli.run("get", "job-2", "job-1", "-o", "json")).out)
    ] == [
        "job-2",
        "job-1",
    ]


async def test_json_and_another_format_exclude_each_other(cli, filled):
    done = await cli.run("list", "--json", "-o", "yaml")
    assert (done.code, done.out) == (2, "")
    assert "--json is the format jsonl" in done.err
    assert (await cli.run("list", "--json", "-o", "jsonl")).code == 0


async def test_an_unknown_format_is_bad_use_and_names_those_that_exist(cli, gateway):
    done = await cli.run("list", "-o", "xml")
    assert (done.code, gateway.requests) == (2, [])
    assert all(form in done.err for form in Format)


async def test_a_list_in_a_pipe_is_not_cut_and_has_no_colour(cli, gateway, make_job):
    cli.env |= {"COLUMNS": "20", "TERM": "xterm-256color"}
    kind = "a.kind.with.a.name.that.is.longer.than.any.terminal.is.wide"
    gateway.jobs = [make_job(kind=kind, job_id="0190b0f0-0000-7000-8000-000000000001")]
    header, row = (await cli.run("list", "-o", "wide")).out.splitlines()
    assert kind in row
    assert "\x1b" not in header + row
    assert row == row.rstrip()


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
    ids=str,
)
async def test_colours_obey_no_color_and_force_color(cli, filled, variables, is_coloured):
    cli.env |= {"TERM": "xterm-256color", **variables}
    printed = (await cli.run("list")).out
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", printed)) is is_coloured
    assert "FAILED" in printed


@pytest.mark.parametrize("form", ["table", "json", "csv", "name"])
async def test_a_reader_that_needs_one_line_of_a_long_list_ends_it_quietly(cli, gateway, make_job, form):
    gateway.page_size = 1000
    gateway.jobs = [make_job(job_id=f"{number:036}") for number in range(3000)]
    process = await cli.start("list", "-o", form)
    await process.stdout.readline()
    process.stdout._transport.close()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert await process.stderr.read() == b""


class Jobs:
    """Prints many jobs to a stream that counts its lines."""

    def __init__(self, monkeypatch):
        self.stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", self.stream)

    @property
    def lines(self):
        self.stream.flush()
        return self.stream.buffer.getvalue().decode().splitlines()


def test_long_tables_come_in_blocks_with_one_header_and_columns_that_stay(monkeypatch, make_job):
    shown = Jobs(monkeypatch)
    with Printer(JOBS, Format.TABLE) as printer:
        for number in range(1001):
            printer.add(to_job(make_job(job_id=f"{number:036}")))
            if number == 999:
                assert len(shown.lines) == 1001
    assert len(shown.lines) == 1002
    assert sum(line.startswith("JOB_ID") for line in shown.lines) == 1
    assert len({line.index("2027-") for line in shown.lines[1:]}) == 1


def test_an_array_that_breaks_off_is_not_closed(monkeypatch, make_job):
    shown = Jobs(monkeypatch)
    with suppress(ConnectionError), Printer(JOBS, Format.JSON) as printer:
        printer.add(to_job(make_job()))
        raise ConnectionError
    with pytest.raises(json.JSONDecodeError):
        json.loads("\n".join(shown.lines))


def test_wide_characters_take_two_columns_and_none_controls_the_terminal(monkeypatch):
    shown = Jobs(monkeypatch)
    kinds = [
        KindInfo("日本語", "wide \x1b[31mred", {}),
        KindInfo("abcdef", "narrow \N{RIGHT-TO-LEFT OVERRIDE}", {}),
    ]
    print_all(KINDS, Format.TABLE, kinds)
    assert shown.lines == [
        "KIND    DESCRIPTION",
        "日本語  wide \N{REPLACEMENT CHARACTER}[31mred",
        "abcdef  narrow \N{REPLACEMENT CHARACTER}",
    ]


@pytest.mark.parametrize("limit", [1, 20, 60, 500])
def test_on_a_narrow_terminal_only_texts_are_wrapped(limit):
    from rich.console import Console

    group = FailureGroup("RATE_LIMITED", 12, 3, "a message " * 10, "detail")
    console = Console(width=500, file=io.StringIO(), legacy_windows=False)
    layout = TableLayout(FAILURES.columns)
    console.print(draw_table(layout, [group], True, limit))
    lines = console.file.getvalue().splitlines()
    assert any("RATE_LIMITED" in line for line in lines)
    assert "".join(lines).count("message") == 10
    assert len(lines) == (3 if limit == 500 else len(lines))
    assert max(len(line.rstrip()) for line in lines) <= max(limit, 60)


async def test_params_of_kinds_are_named_in_the_wide_table(cli, gateway):
    schema = {"type": "object", "properties": {"labels": {}, "model": {}}, "required": ["labels"]}
    gateway.kinds = [jobs_pb2.Kind(name="k", params_schema=json.dumps(schema))]
    assert "labels*, model" in (await cli.run("kinds", "-o", "wide")).out


def test_a_worker_without_shared_limits_is_marked(monkeypatch):
    shown = Jobs(monkeypatch)
    worker = WorkerInfo("w", "a:1", None, None, True, 1, 2, 3, limits_degraded=True)
    print_all(WORKERS, Format.TABLE, [worker])
    assert shown.lines[1].endswith("degraded")
