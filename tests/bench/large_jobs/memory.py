"""Samples the memory of processes while something runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

MB = 1024 * 1024
_EVERY_SECONDS = 0.25


class MemorySamples:
    """Samples of the resident memory of processes.

    Use it as ``async with MemorySamples(pids) as memory:``.

    Args:
        pids: Pids by name.

    Attributes:
        first: Bytes at the start, by name.
        peak: Maximum bytes of all samples, by name.
        last: Bytes at the last sample, by name.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self.first = {name: resident_bytes(pid) for name, pid in self._pids.items()}
        self.last = dict(self.first)
        self.peak = dict(self.first)

    async def __aenter__(self) -> "MemorySamples":
        self._sampler = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sampler.cancel()
        self.sample()

    def sample(self) -> None:
        """Takes a sample."""
        for name, pid in self._pids.items():
            self.last[name] = resident_bytes(pid)
            self.peak[name] = max(self.peak[name], self.last[name])

    async def _run(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(_EVERY_SECONDS)


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process in bytes, or 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
