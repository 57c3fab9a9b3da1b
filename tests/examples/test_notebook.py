"""The example notebook runs as it stands, and both clients work in a kernel that is interrupted."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from deploy.local.paths import REPOSITORY

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

NOTEBOOK = REPOSITORY / "examples/notebook.ipynb"
KERNEL = Path(__file__).with_name("kernel.py")


def text_of(cell):
    """Returns the text that a cell printed and showed."""
    parts = []
    for output in cell["outputs"]:
        shown = output.get("text") or output.get("data", {}).get("text/plain", "")
        parts.append("".join(shown))
    return "\n".join(parts)


@pytest.fixture(scope="module")
def executed(example_python, system, tmp_path_factory):
    """The cells with code by a part of their source, executed."""
    from tests.examples.conftest import environment

    folder = tmp_path_factory.mktemp("notebook")
    program = (
        "import sys, nbformat, nbclient; notebook = nbformat.read(sys.argv[1], as_version=4); "
        "nbformat.validate(notebook); nbclient.NotebookClient(notebook, timeout=120).execute(); "
        "nbformat.write(notebook, 'executed.ipynb')"
    )
    done = subprocess.run(
        [example_python, "-c", program, str(NOTEBOOK)], cwd=folder, capture_output=True, text=True,
        timeout=300, check=False, env=environment(HEADRACE_TARGET=system.gateway_target),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = json.loads((folder / "executed.ipynb").read_text())["cells"]
    return {"".join(cell["source"]): text_of(cell) for cell in cells if cell["cell_type"] == "code"}


@pytest.fixture
def shown(executed):
    def by_source(part):
        (text,) = [text for source, text in executed.items() if part in source]
        return text

    return by_source


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def test_the_job_from_the_csv_file_is_shown_to_its_end(shown):
    assert "SUCCEEDED" in shown("hr.progress(job)")
    assert "4/4" in shown("hr.progress(job)")


def test_the_table_has_a_label_for_each_row_with_a_title(shown):
    table = shown('table["label"]').splitlines()
    assert "007" in table[1]
    assert table[1].split()[-1] in ("kitchen", "software")
    assert "FAILED" in table[3]


def test_the_failed_row_is_explained(shown):
    assert "FIELD_MISSING" in shown("hr.failures")


def test_the_cancelled_job_is_continued(shown):
    said = [line for line in shown("hr.retry(").splitlines() if line.startswith(("CANCELLED True", "SUCC"))]
    assert said[0] == "CANCELLED True"
    assert "SUCCEEDED 2000" in said


def test_one_call_runs_a_job(shown):
    lines = [
        line for line in shown("hr.run(").splitlines() if line.split()[-1:] in (["kitchen"], ["software"])
    ]
    assert len(lines) == 4


def test_a_cell_can_await(shown):
    assert shown("async with Client()").strip() == "SUCCEEDED"


SETUP = "from headrace import Client, SyncClient\nhr = SyncClient()"
LONG_JOB = "job = hr.submit('noop', range(100), {'sleep_ms': 60_000}); print('seq', job.seq)"
STATE = "print(hr.get(job.job_id).state.is_terminal)"


async def run_cells(python, system, example_environment, *cells):
    env = example_environment(HEADRACE_TARGET=system.gateway_target)
    process = await asyncio.create_subprocess_exec(
        python, str(KERNEL), json.dumps(cells), stdout=-1, stderr=-1, env=env
    )
    async with asyncio.timeout(200):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in printed.splitlines()]


async def test_an_interrupted_kernel_leaves_the_waiting_client_usable(
    example_python, system, example_environment
):
    calls = {
        "progress": "hr.progress(job)",
        "watch": "for event in hr.watch(job.job_id): print('seen', event.state)",
        "results": "print('seen', flush=True)\nfor result in hr.results(job.job_id, follow=True): pass",
    }
    cells = [[SETUP], [LONG_JOB]]
    for name, call in calls.items():
        cells += [[call, "0/100" if name == "progress" else "seen"], [STATE]]
    cells += [["hr.cancel(job.job_id); hr.close()"]]
    told = await run_cells(example_python, system, example_environment, *cells)
    assert [each["error"] for each in told] == ["", "", *["KeyboardInterrupt", ""] * 3, ""]
    assert [each["text"] for each in told[3:-1:2]] == ["False\n"] * 3
    assert "continues; to show it again: progress(" in told[2]["text"]


async def test_an_interrupted_kernel_leaves_the_awaited_client_usable(
    example_python, system, example_environment
):
    told = await run_cells(
        example_python, system, example_environment,
        ["from headrace import Client\nhr = Client()"],
        ["job = await hr.submit('noop', range(100), {'sleep_ms': 60_000})"],
        ["async for event in hr.watch(job.job_id): print('seen', event.state)", "seen"],
        ["print((await hr.get(job.job_id)).state.is_terminal)"],
        ["await hr.cancel(job.job_id); await hr.close()"],
    )  # fmt: skip
    assert told[2]["error"] in ("CancelledError", "KeyboardInterrupt")
    assert told[3] == {"text": "False\n", "error": ""}


async def test_progress_appears_in_the_cell_that_asks_for_it(example_python, system, example_environment):
    told = await run_cells(
        example_python, system, example_environment,
        [SETUP],
        ["hr.kinds(); print('first cell')"],
        ["r = hr.run('noop', range(3))"],
        ["r = hr.progress(hr.submit('noop', range(4)))"],
    )  # fmt: skip
    assert [each["error"] for each in told] == [""] * 4
    assert "3/3" in told[2]["text"]
    assert "4/4" in told[3]["text"]
