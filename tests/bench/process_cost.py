"""CPU time and peak memory of processes, from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
MB = 1024 * 1024


class ProcessCost:
    """CPU time and peak memory of process trees since its creation.

    Args:
        pids: Root of each tree, by name.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        for pid in self._pids.values():
            for member in _tree(pid):
                _forget_peak(member)
        self._begin = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._waited = {name: waited_seconds(pid) for name, pid in self._pids.items()}

    def cpu(self) -> dict[str, float]:
        """Returns the CPU seconds of each tree."""
        return {name: cpu_seconds(pid) - self._begin[name] for name, pid in self._pids.items()}

    def waited(self) -> dict[str, float]:
        """Returns the seconds in which the main thread of each root was ready to run but had no core."""
        return {name: waited_seconds(pid) - self._waited[name] for name, pid in self._pids.items()}

    def peak_mb(self) -> dict[str, float]:
        """Returns the peak memory of the largest process of each tree, in MB."""
        return {
            name: max((_peak(member) for member in _tree(pid)), default=0) / MB
            for name, pid in self._pids.items()
        }


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process, its live descendants, and the ended children it has waited for."""
    total = 0
    for member in _tree(pid):
        fields = _stat(member)
        total += sum(int(field) for field in fields[11:15]) if fields else 0
    return total / _TICKS


def waited_seconds(pid: int) -> float:
    """Returns the seconds in which the main thread of a process was ready to run but had no core."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # it has ended, or the kernel lacks it
        return 0.0


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str]:
    """Returns the fields of /proc/PID/stat from the state on, or none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _forget_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return  # the peak then covers its whole life


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
