"""The commands of the tour of the command line run in order, as they stand, on ``headrace dev``."""

import asyncio
import csv
import os
import re
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.timeout(180)

PAGE = (Path(__file__).parents[2] / "docs/command-line.md").read_text()
BLOCKS = re.findall(r"<!-- tour -->\n```bash\n(.*?)```", PAGE, re.DOTALL)
BINARIES = Path(sys.executable).parent


@pytest.fixture
async def target(tmp_path):
    """The gateway of the command that begins the tour, on a free port."""
    (command,) = re.findall(r"```bash\n(headrace dev)\n```", PAGE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    process = await asyncio.create_subprocess_exec(
        BINARIES / "headrace", *command.split()[1:], "--listen", "127.0.0.1:0",
        cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        ready = (await process.stdout.readline()).decode()
    yield re.search(r"gateway at (\S+)", ready)[1]
    process.terminate()
    async with asyncio.timeout(60):
        await process.communicate()


async def test_the_tour_works_from_its_first_command_to_its_last(target, tmp_path):
    path = f"{BINARIES}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", "\n".join(BLOCKS),
        cwd=tmp_path, env={**os.environ, "PATH": path, "HEADRACE_TARGET": target},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(120):
        printed, complained = (part.decode() for part in await process.communicate())
    assert process.returncode == 0, printed + complained
    assert printed.count("SUCCEEDED: 3 of 3 items done") == 3
    assert '1\tSUCCEEDED\t{"label":"Engineering"}' in printed
    assert len(re.findall(r"^\S{36}  noop +CANCELL(?:ED|ING) ", printed, re.MULTILINE)) >= 2
    results = [orjson.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [result["output"]["label"] for result in results] == ["Finance", "Engineering", "Design"]
    rows = list(csv.DictReader((tmp_path / "jobs.csv").read_text().splitlines()))
    assert {row["state"] for row in rows} == {"SUCCEEDED"}
