"""Each command and program of the pages for newcomers works as it stands."""

import ast
import asyncio
import csv
import json
import os
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest

from deploy.local.paths import REPOSITORY
from deploy.local.ports import spare_port

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

FIRST, JUPYTER, FASTAPI = (
    (REPOSITORY / f"docs/{name}.md").read_text() for name in ("first-csv", "jupyter", "fastapi")
)
KERNEL = Path(__file__).with_name("kernel.py")


def blocks(page, mark, language):
    return re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", page, re.DOTALL)


def test_each_block_of_the_pages_is_run_by_a_test():
    for page, marks in ((FIRST, ["tested"]), (JUPYTER, ["cell"]), (FASTAPI, ["application", "server"])):
        fenced = re.findall(r"^```(?:bash|python)\n(.*?)```", page, re.DOTALL | re.MULTILINE)
        marked = [block for mark in marks for block in blocks(page, mark, r"(?:bash|python)")]
        others = [block for block in fenced if block not in marked]
        assert marked
        # The environment of these tests is made by them.
        assert all(line.startswith("pip install ") for block in others for line in block.splitlines())


@pytest.fixture
def env(example_python, system, example_environment):
    path = f"{Path(example_python).parent}{os.pathsep}{os.environ['PATH']}"
    return example_environment(HEADRACE_TARGET=system.gateway_target, PATH=path)


async def test_the_first_job_with_a_csv_file_works_as_it_stands(env, tmp_path):
    commands = "\n".join(blocks(FIRST, "tested", "bash"))
    (program,) = blocks(FIRST, "tested", "python")
    (tmp_path / "program.py").write_text(program)
    shell = ["bash", "-euo", "pipefail", "-c", f"{commands}\npython program.py"]
    done = await asyncio.to_thread(
        subprocess.run, shell, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FIELD_MISSING" in done.stdout
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [result["state"] for result in results] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    with (tmp_path / "labelled.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["007", "008", "009", "010"]
    assert rows[1] == {
        "id": "008", "title": "Engineer, Site Reliability", "label": "Engineering", "error": "",
    }  # fmt: skip
    assert (rows[2]["label"], rows[2]["error"]) == ("", "FIELD_MISSING")


async def test_the_cells_for_jupyter_work_in_their_order(example_python, env):
    cells = [[block] for block in blocks(JUPYTER, "cell", "python")]
    done = await asyncio.to_thread(
        subprocess.run, [example_python, str(KERNEL), json.dumps(cells)],
        env=env, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["error"] for each in told] == [""] * len(cells)
    assert "3/3" in told[0]["text"]
    assert "kitchen" in told[1]["text"]
    labels = ast.literal_eval(told[2]["text"].strip().splitlines()[-1])
    assert (len(labels), set(labels) <= {"kitchen", "software"}) == (3, True)
    assert told[3]["text"].split()[-3:] == labels
    assert "SUCCEEDED 3" in told[4]["text"]


async def serve(command, env, folder, port):
    """Starts a server, and returns it once it answers."""
    process = await asyncio.create_subprocess_exec(
        *command, "--port", str(port), cwd=folder, env=env, stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, (await process.communicate())[0].decode()
            try:
                async with session.get(f"http://127.0.0.1:{port}/openapi.json"):
                    return process
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def end(process):
    process.terminate()
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    return printed.decode()


async def test_the_application_of_one_file_works_as_it_stands(env, tmp_path):
    (application,) = blocks(FASTAPI, "application", "python")
    (tmp_path / "small_app.py").write_text(application)
    port = spare_port()
    process = await serve(["uvicorn", "small_app:app"], env, tmp_path, port)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, asyncio.timeout(60):
            async with session.post("/jobs", json=["Line cook"]) as response:
                assert response.status == 202
                job = await response.json()
            while job["state"] != "SUCCEEDED":
                async with session.get(f"/jobs/{job['job_id']}") as response:
                    job = await response.json()
            async with session.get("/jobs/nonsense") as response:
                assert (response.status, (await response.json())["reason"]) == (422, "INVALID_FIELD")
    finally:
        await end(process)


async def test_the_command_of_the_example_serves_its_page(env, tmp_path):
    (command,) = blocks(FASTAPI, "server", "bash")
    readme = (REPOSITORY / "examples/fastapi/README.md").read_text()
    assert command in readme
    port = spare_port()
    own = {**env, "BATCHES_DATABASE": str(tmp_path / "batches.db")}
    arguments = command.split()
    process = await serve(arguments, own, REPOSITORY, port)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}") as response:
            assert "Job titles" in await response.text()
    finally:
        assert "Traceback" not in await end(process)
