"""The embedded system on a disk that fills up. Callers hear of it at once, and nothing is lost."""

import asyncio
import os
import subprocess
import time

import pytest

from headrace import JobState
from headrace.errors import ResourceExhaustedError

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root"),
]

ITEMS = [{"number": n, "text": "x" * 1000} for n in range(12_000)]  # 12 MB
PROMISED_SECONDS = 10


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 6 MB. Remounting it makes it larger."""
    mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", tmp_path)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


async def test_a_full_disk_is_named_at_once_and_work_continues_once_there_is_space(
    small_disk, make_embedded, open_client
):
    url = f"sqlite+aiosqlite:///{small_disk / 'headrace.db'}"
    system = make_embedded(settings={"HEADRACE_DATABASE_URL": url})
    hr = open_client(system.gateway_target)
    first = await hr.submit("noop", ITEMS[:5])
    begin = time.monotonic()
    with pytest.raises(ResourceExhaustedError) as full:
        await hr.submit("noop", ITEMS, request_id="large")
    assert time.monotonic() - begin < PROMISED_SECONDS
    assert full.value.reason == "STORAGE_FULL"
    assert "disk is full" in full.value.message
    assert "storage_failed" in system.logs(200)
    assert (await hr.get(first.job_id)).progress.total_count == 5
    mount("-o", "remount,size=200m", small_disk)
    async with asyncio.timeout(60):
        large = await hr.submit("noop", ITEMS, request_id="large")
        for job in (first, large):
            last = [event.job async for event in hr.watch(job.job_id)][-1]
            assert last.state is JobState.SUCCEEDED
            assert last.progress.succeeded_count == last.progress.total_count
    assert large.progress.total_count == len(ITEMS)
