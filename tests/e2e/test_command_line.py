"""The command line against a real stack, with more items than fit in one request."""

import asyncio
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
def run(two_gateways):
    """Runs `headrace` with these arguments, and returns its output. It must exit with 0."""

    async def run(*arguments, stdin=b""):
        process = await asyncio.create_subprocess_exec(
            CLI, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HEADRACE_TARGET": two_gateways.gateway_target},
        )  # fmt: skip
        async with asyncio.timeout(60):
            printed, complained = await process.communicate(stdin)
        assert process.returncode == 0, complained.decode()
        return printed.decode()

    return run


@pytest.mark.parametrize("count", [10, 6000])
async def test_of_a_large_file_the_same_is_printed_as_of_a_small_one(run, tmp_path, count):
    file = tmp_path / "items.jsonl"
    file.write_text("".join(f'{{"number": {n}, "text": "{PADDING}"}}\n' for n in range(count)))
    job_id, *progress, summary = (await run("submit", "noop", "--items", file, "--watch")).splitlines()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", job_id)
    for line in progress:
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
