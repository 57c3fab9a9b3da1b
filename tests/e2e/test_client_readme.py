"""The programs in the README of the client work unchanged."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)

README = (Path(__file__).parents[2] / "clients" / "python" / "README.md").read_text()
PROGRAMS = re.findall(r"<!-- tested -->\n```python\n(.*?)```", README, re.DOTALL)
# Texts that identify the programs with a known output.
MARKS = ("async for result", "range(100)", '"llm.complete"', "job_timeout", "event.forecast", "hr.run(")


async def run(program: str, target: str, folder: Path) -> str:
    assert "localhost:50051" in program
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace("localhost:50051", target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path)},
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_the_programs_of_the_clients_readme_work_as_they_stand(make_embedded, tmp_path):
    embedded = await asyncio.to_thread(make_embedded)
    printed = {program: await run(program, embedded.gateway_target, tmp_path) for program in PROGRAMS}
    classified, waited, completed, limited, live, ran = (
        text for (text,) in ([printed[p] for p in PROGRAMS if mark in p] for mark in MARKS)
    )
    assert "SUCCEEDED 2 2" in classified
    assert "1 {'label': '" in classified
    (written,) = (text for program, text in printed.items() if "to_csv" in program)
    assert written.startswith("2 rows\n['")
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 3
    assert re.search(
        r"^\d+ of 1000, \d+ items/s,\n\d+ in flight, 0 waiting for a limit,\nleft: ", live, re.MULTILINE
    )
    assert waited.endswith("100 results\n")
    assert len(re.findall(r"^[01] (?:sentiment|summary|keywords) .* \d+$", completed, re.MULTILINE)) == 6
    assert re.search(r"^20\d\d-.*\+00:00$", limited, re.MULTILINE)
    assert len(re.findall(r"^[01] \{'label': '.*'\} \[\]$", limited, re.MULTILINE)) == 2
    assert re.findall(r"^(result \d|output) \{'label': '.*'\}$", ran, re.MULTILINE) == [
        "result 0", "result 1", "output", "output",
    ]  # fmt: skip
    assert "SUCCEEDED 50/50" in ran
