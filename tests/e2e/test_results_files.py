"""Results of a real system as files and tables."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from headrace import Client

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def target(make_embedded):
    return (await asyncio.to_thread(make_embedded)).gateway_target


async def headrace(target, *arguments):
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("headrace")),
        *arguments,
        env={**os.environ, "HEADRACE_TARGET": target},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_live_job_is_followed_into_files_and_read_again(target, tmp_path):
    async with Client(target) as hr:
        job = await hr.submit("noop", [{"n": n} for n in range(3000)], {"sleep_ms": 1})
        out = tmp_path / "out.jsonl"
        await headrace(target, "results", job.job_id, "--output", str(out))
        await headrace(target, "results", job.job_id, "--follow", "--output", str(out))
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert sorted(line["item_index"] for line in lines) == list(range(3000))
        await headrace(target, "results", job.job_id, "--output", str(tmp_path / "out.parquet"))
        table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
        assert table["item_index"].to_pylist() == list(range(3000))
        csv = await headrace(target, "results", job.job_id, "--format", "csv")
        assert len(csv.splitlines()) == 3001
        frame = await hr.results(job.job_id).to_pandas()
        assert set(frame["state"]) == {"SUCCEEDED"}


async def test_a_download_that_is_killed_again_and_again_has_each_result_once(target, tmp_path):
    out = tmp_path / "out.jsonl"
    async with Client(target) as hr:
        job = await hr.submit("noop", [{"n": n} for n in range(20_000)])
        for follow in (["--follow"], [], ["--follow"], []):
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("headrace")),
                *("results", job.job_id, "--output", str(out), *follow),
                env={**os.environ, "HEADRACE_TARGET": target},
                stderr=asyncio.subprocess.DEVNULL,
            )
            size = out.stat().st_size if out.exists() else 0
            while process.returncode is None and (not out.exists() or out.stat().st_size < size + 200_000):
                await asyncio.sleep(0.01)
            if process.returncode is None:
                process.kill()
            await process.wait()
        await headrace(target, "results", job.job_id, "--follow", "--output", str(out))
    indices = [json.loads(line)["item_index"] for line in out.read_text().splitlines()]
    assert sorted(indices) == list(range(20_000))
