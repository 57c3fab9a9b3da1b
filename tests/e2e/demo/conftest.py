"""The demonstration as a person runs it: as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


class Demo:
    """A run of the demonstration."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        while text not in self.output:
            line = await self.process.stdout.readline()
            assert line, f"it ended without {text!r}: {self.output}"
            self.output += line.decode()

    async def exit_code(self) -> int:
        assert self.process.stdout is not None
        self.output += (await self.process.stdout.read()).decode()
        return await self.process.wait()

    def child_pids(self) -> set[int]:
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in task.read_text().split()}


@pytest.fixture(scope="module")
async def start_demo() -> AsyncIterator:
    """Starts the demonstration at each call, with these environment variables."""
    demos = []

    async def start(**environ: str) -> Demo:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "DEMO_"))
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.demo"),
            cwd=REPOSITORY,
            env=kept | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        demos.append(process)
        return Demo(process)

    yield start
    for process in demos:
        if process.returncode is None:
            process.kill()
            await process.wait()
