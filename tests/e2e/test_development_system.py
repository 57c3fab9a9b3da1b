"""The system of ``headrace dev``: one command, no servers, no key."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from headrace import Client

pytestmark = pytest.mark.timeout(180)

BINARIES = Path(sys.executable).parent
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HEADRACE_"))}


class DevelopmentSystem:
    """A running ``headrace dev``, after its welcome."""

    def __init__(self, process, welcome):
        self.process = process
        self.welcome = welcome
        self.target = re.search(r"gateway at (\S+)", welcome)[1]

    async def stop(self, signum=signal.SIGINT):
        self.process.send_signal(signum)
        async with asyncio.timeout(60):
            printed, logged = await self.process.communicate()
        return self.process.returncode, printed.decode(), logged.decode()


async def start(folder, *arguments, **variables):
    process = await asyncio.create_subprocess_exec(
        BINARIES / "headrace", "dev", "--listen", "127.0.0.1:0", *arguments,
        cwd=folder, env={**CLEAN, **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    return process


@pytest.fixture
async def dev(tmp_path):
    """Starts ``headrace dev`` in a folder, and stops all of them at the end."""
    processes = []

    async def run(*arguments, **variables):
        process = await start(tmp_path, *arguments, **variables)
        processes.append(process)
        lines = []
        async with asyncio.timeout(60):
            while not lines or not lines[-1].startswith("      --params"):
                line = (await process.stdout.readline()).decode()
                assert line, (await process.stderr.read()).decode()
                lines.append(line)
        return DevelopmentSystem(process, "".join(lines))

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def shell(command, folder):
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", command,
        cwd=folder, env={**CLEAN, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_the_command_of_the_welcome_runs_a_job_on_the_stand_in(dev, tmp_path):
    system = await dev()
    assert "a stand-in that answers by keyword rules, not a model" in system.welcome
    printed = await shell(system.welcome.partition("data):\n")[2], tmp_path)
    assert "SUCCEEDED: 1 of 1 items done, 0 failed" in printed
    code, _, logged = await system.stop()
    assert code == 0
    assert re.search(r"^\d\d:\d\d:\d\d \[info +\] gateway_started ", logged, re.MULTILINE)
    assert "\x1b" not in logged


async def test_its_data_lies_in_one_folder_that_git_ignores_and_outlives_it(dev, tmp_path):
    system = await dev()
    async with Client(system.target) as hr:
        job = await hr.submit("noop", [1, 2])
        async for _ in hr.watch(job.job_id):
            pass
    assert (await system.stop(signal.SIGTERM))[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == [".headrace"]
    assert (tmp_path / ".headrace" / ".gitignore").read_text() == "*\n"
    system = await dev()
    async with Client(system.target) as hr:
        assert (await hr.get(job.job_id)).state == "SUCCEEDED"


async def test_a_second_system_on_the_same_folder_is_refused_and_another_folder_is_fine(dev, tmp_path):
    await dev()
    second = await start(tmp_path)
    async with asyncio.timeout(60):
        printed, logged = await second.communicate()
    assert (second.returncode, printed) == (2, b"")
    assert "another `headrace dev` uses" in logged.decode()
    await dev("--data", "other")
    assert (tmp_path / "other" / "headrace.db").exists()


async def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    process = await start(tmp_path, "--data", "file")
    async with asyncio.timeout(60):
        _, logged = await process.communicate()
    assert process.returncode == 1
    assert logged.decode() == f"error: cannot use the folder {tmp_path}/file: File exists\n"


async def test_a_provider_of_the_environment_is_called_instead_of_the_stand_in(dev):
    system = await dev(OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert "calls  http://127.0.0.1:1/v1, which may cost money" in system.welcome
    assert "stand-in" not in system.welcome


async def test_ping_and_top_see_it(dev, tmp_path):
    system = await dev()
    printed = await shell(
        f"export HEADRACE_TARGET={system.target}; headrace ping; headrace top; headrace workers -o name",
        tmp_path,
    )
    assert "health      SERVING" in printed
    assert re.search(r"^version +\d+\.\d+", printed, re.MULTILINE)
    assert "workers   1 live" in printed
