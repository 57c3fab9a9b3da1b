"""Texts of servers and providers never control a terminal. Elsewhere, JSON is exact."""

import asyncio
import json
import os
import pty

import pytest
import yaml

from headrace.errors import NotFoundError
from headrace.jobs.v1 import jobs_pb2

# Title and colour sequences, an 8-bit CSI, a bell, DEL, reversed text, an isolate, a tag and line separators.
ESCAPES = (
    "\x1b]0;title\x07\x1b[31mred\x1b[2J\x9b31m\x9d0;x\x9c\x07\x7f\b\r"
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\N{RIGHT-TO-LEFT ISOLATE}\N{ZERO WIDTH SPACE}\U000e0041\u2028\u2029"
)
HOSTILE = f"before {ESCAPES} after"


@pytest.fixture
def on_terminal(cli):
    """Runs a command whose output is a terminal. Returns the code and what the terminal received."""

    async def run(*args):
        cli.env["TERM"] = "dumb"
        ours, theirs = pty.openpty()
        process = await cli.start(*args, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = await asyncio.to_thread(read_all, ours)
        code = await process.wait()
        process._transport.close()
        return code, shown.replace("\r\n", "\n")

    return run


def read_all(descriptor) -> str:
    chunks = []
    while True:
        try:
            chunks.append(os.read(descriptor, 65_536))
        except OSError:  # the last writer closed the terminal
            os.close(descriptor)
            return b"".join(chunks).decode()


@pytest.fixture
def hostile_gateway(gateway, make_job, make_result):
    """A gateway whose every text is hostile."""
    error = jobs_pb2.Error(reason=HOSTILE, message=HOSTILE, detail=HOSTILE)
    gateway.jobs = [make_job(1, "FAILED", failed=1, kind=HOSTILE, error=error)]
    gateway.jobs[0].tenant = HOSTILE
    gateway.jobs[0].usage.answered_models.append(HOSTILE)
    failed = make_result(1, error=HOSTILE, detail=HOSTILE)
    failed.error.message = HOSTILE
    gateway.recorded = [(1, make_result(0, json.dumps({"label": HOSTILE}, ensure_ascii=False))), (2, failed)]
    gateway.kinds = [jobs_pb2.Kind(name=HOSTILE, description=HOSTILE)]
    gateway.workers = [jobs_pb2.Worker(incarnation=HOSTILE, address=HOSTILE, live=True)]
    gateway.script(gateway.jobs[0])
    return gateway


COMMANDS = [
    ("get", "JOB"),
    ("list",),
    ("watch", "JOB"),
    ("results", "JOB"),
    ("cancel", "JOB"),
    ("wait", "JOB"),
    ("failures", "JOB"),
    ("kinds",),
    ("workers",),
    ("top", "--once"),
]


@pytest.mark.parametrize("json_option", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_no_control_character_reaches_a_terminal(
    on_terminal, hostile_gateway, job_id, command, json_option
):
    code, shown = await on_terminal(*(job_id if word == "JOB" else word for word in command), *json_option)
    assert code in (0, 1), shown
    shown = shown.replace("\x1b[?25l", "").replace("\x1b[?25h", "")  # the bar hides the cursor
    assert "before" in shown
    assert not [c for c in shown if not c.isprintable() and c not in "\n\t"]
    if json_option:
        assert all(json.loads(line) for line in shown.splitlines())


@pytest.mark.parametrize("form", ["table", "wide", "json", "yaml", "csv", "name"])
@pytest.mark.parametrize("command", ["list", "failures JOB"])
async def test_no_control_character_reaches_a_terminal_in_any_format(
    on_terminal, cli, hostile_gateway, job_id, command, form
):
    words = [*command.replace("JOB", job_id).split(), "-o", form]
    code, shown = await on_terminal(*words)
    assert code == 0, shown
    assert not [c for c in shown if not c.isprintable() and c not in "\n\t"]
    piped = (await cli.run(*words)).out
    if form == "json":
        assert json.loads(shown) == json.loads(piped)
    if form == "yaml":
        assert yaml.safe_load(shown) == yaml.safe_load(piped)


async def test_names_with_control_characters_are_not_completed(cli, hostile_gateway):
    line = {"COMP_WORDS": "headrace submit ", "COMP_CWORD": "2", "_HEADRACE_COMPLETE": "complete_bash"}
    cli.env |= line
    assert (await cli.run()).out.strip() in ("", "llm.classify\nllm.complete\nnoop")


async def test_no_control_character_of_an_error_reaches_a_terminal(on_terminal, gateway, job_id):
    gateway.failures = [NotFoundError(HOSTILE, reason=HOSTILE)]
    code, shown = await on_terminal("get", job_id)
    assert code == 4
    assert "before" in shown
    assert not [c for c in shown if not c.isprintable() and c != "\n"]


async def test_json_for_a_pipe_is_exact_and_equal_to_that_for_a_terminal(
    on_terminal, cli, hostile_gateway, job_id
):
    text = json.dumps({"label": HOSTILE}, ensure_ascii=False)
    done = await cli.run("results", job_id, "--json")
    assert f'"output":{text}' in done.out
    piped = [json.loads(line) for line in done.out.removesuffix("\n").split("\n")]
    assert piped[0]["output"] == {"label": HOSTILE}
    _, shown = await on_terminal("results", job_id, "--json")
    assert [json.loads(line) for line in shown.splitlines()] == piped


@pytest.mark.parametrize(
    ("command", "said"), [("list", "no jobs\n"), ("workers", "no workers\n"), ("list -o name", "")]
)
async def test_a_person_is_told_that_a_table_has_no_rows(on_terminal, gateway, command, said):
    assert await on_terminal(*command.split()) == (0, said)
