"""The command line against a real stack, with more items than fit in one request."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(120)

CLI = Path(sys.executable).with_name("headrace")
PADDING = "x" * 1000  # 6,000 of these are 6 MB; a request holds 4 MB
MANY = 100_001  # a request holds 100,000 items


@pytest.fixture
def start(two_gateways):
    """Starts `headrace` with these arguments."""

    async def start(*arguments):
        return await asyncio.create_subprocess_exec(
            CLI, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HEADRACE_TARGET": two_gateways.gateway_target},
        )  # fmt: skip

    return start


@pytest.fixture
def run(start):
    """Runs `headrace` with these arguments, and returns its output. It must exit with 0."""

    async def run(*arguments, stdin=b"", with_progress=False):
        process = await start(*arguments)
        async with asyncio.timeout(60):
            printed, complained = await process.communicate(stdin)
        assert process.returncode == 0, complained.decode()
        return (printed.decode(), complained.decode()) if with_progress else printed.decode()

    return run


@pytest.mark.parametrize("count", [10, 6000])
async def test_of_a_large_file_the_same_is_printed_as_of_a_small_one(run, tmp_path, count):
    file = tmp_path / "items.jsonl"
    file.write_text("".join(f'{{"number": {n}, "text": "{PADDING}"}}\n' for n in range(count)))
    printed, progress = await run("submit", "noop", "--items", file, "--watch", with_progress=True)
    job_id, summary = printed.splitlines()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", job_id)
    for line in progress.splitlines():
        assert re.match(r"(?:PENDING|UPLOADING|RUNNING) +[\d,]+/[\d,]+ .*failed 0 ", line)
    assert re.match(rf"SUCCEEDED: {count:,} of {count:,} items done, 0 failed, 0 tokens, ", summary)


async def test_more_lines_than_one_request_holds_come_in_by_stdin(run, two_gateways, open_client):
    lines = "".join(f"{n}\n" for n in range(MANY)).encode()
    printed = await run("submit", "noop", "--items", "-", "--params", '{"sleep_ms": 1000}', stdin=lines)
    hr = open_client(two_gateways.gateway_target)
    job = await hr.cancel(printed.strip())
    assert job.progress.total_count == MANY
    async with asyncio.timeout(60):
        event = [event async for event in hr.watch(job.job_id)][-1]
    assert event.state is JobState.CANCELLED


async def test_a_json_array_is_as_good_as_json_lines(run, two_gateways, open_client, tmp_path):
    file = tmp_path / "items.json"
    file.write_text(json.dumps([{"number": n, "text": PADDING} for n in range(6000)], indent=1))
    job_id, summary = (await run("submit", "noop", "--items", file, "--watch")).splitlines()
    assert summary.startswith("SUCCEEDED: 6,000 of 6,000 items done, 0 failed")
    job = await open_client(two_gateways.gateway_target).get(job_id)
    assert job.progress.total_count == 6000


@pytest.mark.parametrize("count", [10, 6000])
@pytest.mark.parametrize("only", [[], ["--validate-only"]], ids=["submit", "validate-only"])
async def test_a_template_with_a_field_that_no_item_has_is_refused(start, tmp_path, count, only):
    file = tmp_path / "items.jsonl"
    file.write_text("".join(f'{{"title": "{PADDING}"}}\n' for _ in range(count)))
    params = '{"labels": ["a", "b"], "template": "{titel}"}'
    process = await start("submit", "llm.classify", "--items", file, "--params", params, *only)
    async with asyncio.timeout(60):
        printed, complained = await process.communicate()
    assert (process.returncode, printed) == (4, b"")
    assert re.fullmatch(
        r"error: FIELD_MISSING: params.template: ([\d,]+) of \1 (?:sampled )?items lack titel: "
        r"did you mean title\?\n",
        complained.decode(),
    )


async def test_an_estimate_counts_items_that_will_fail_and_says_what_becomes_of_null(run, tmp_path):
    file = tmp_path / "items.jsonl"
    file.write_text('{"title": "Cook", "company": null}\n' * 7 + '{"name": "Nurse"}\n' * 3)
    params = '{"labels": ["a", "b"], "template": "{title} {company}"}'
    arguments = ["llm.classify", "--items", file, "--params", params, "--validate-only"]
    printed, warned = await run("submit", *arguments, with_progress=True)
    assert "calls      7" in printed
    assert "failing    3 items" in printed
    assert warned.splitlines() == [
        "warning: 3 of 10 items lack company: they will fail",
        "warning: 3 of 10 items lack title: they will fail",
        "warning: 7 of 10 items have null in company, which is filled in as empty text",
    ]
