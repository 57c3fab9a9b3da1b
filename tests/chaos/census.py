"""Counts the threads, files, connections and memory of each process. None may leak after a fault."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.services import ServiceProcess

MB = 1024 * 1024
# Allowed growth of a process: pools grow when they are first used completely.
THREAD_SLACK = 8
FILE_SLACK = 8
CONNECTION_SLACK = 8
MEMORY_SLACK = 48 * MB
_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Count:
    """Resources of one process.

    Attributes:
        pid: Pid of the process.
        thread_count: Number of threads.
        file_count: Number of open descriptors other than TCP connections.
        connection_count: Number of TCP connections, except those to the provider, which keeps them for a
            minute.
        memory_bytes: Resident memory, in bytes.
    """

    pid: int
    thread_count: int
    file_count: int
    connection_count: int
    memory_bytes: int

    def excess_over(self, before: "Count") -> list[str]:
        """Returns each excess in words. Empty if this is another process."""
        if before.pid != self.pid:
            return []
        compared = (
            ("threads", self.thread_count, before.thread_count + THREAD_SLACK),
            ("files", self.file_count, before.file_count + FILE_SLACK),
            ("connections", self.connection_count, before.connection_count + CONNECTION_SLACK),
            ("MB", self.memory_bytes // MB, int(before.memory_bytes * 1.3 + MEMORY_SLACK) // MB),
        )
        return [f"{now} {what}, allowed {limit}" for what, now, limit in compared if now > limit]


def take_census(services: Iterable[ServiceProcess], provider_port: int) -> dict[str, Count]:
    """Returns the resources of each running process, by name."""
    counts = {}
    for service in services:
        pid = service.process.pid
        if pid is not None:
            counts[service.name] = _count(pid, provider_port)
    return counts


def find_leaks(before: Mapping[str, Count], after: Mapping[str, Count]) -> list[str]:
    """Returns each excess of a surviving process, in words."""
    return [
        f"{name}: {excess}"
        for name in before.keys() & after.keys()
        for excess in after[name].excess_over(before[name])
    ]


async def settled_leaks(
    before: Mapping[str, Count], services: Iterable[ServiceProcess], provider_port: int, seconds: float
) -> list[str]:
    """Returns the leaks that remain after ``seconds``."""
    services = list(services)
    leaks = find_leaks(before, take_census(services, provider_port))
    for _ in range(int(seconds / _EVERY_SECONDS)):
        if not leaks:
            break
        await asyncio.sleep(_EVERY_SECONDS)
        leaks = find_leaks(before, take_census(services, provider_port))
    return leaks


def _count(pid: int, provider_port: int) -> Count:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    connections = _connections(pid)
    file_count, own = 0, set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # it was closed
            continue
        ends = connections.get(target.removeprefix("socket:[").rstrip("]"))
        if ends is None:
            file_count += 1
        elif ends[1] != provider_port:
            own.add(ends)
    # Connections of a process to itself wake its own loops: the AMQP library has such a pair per connection.
    outside = [(near, far) for near, far in own if (far, near) not in own]
    return Count(
        pid, int(status["Threads"]), file_count, len(outside), int(status["VmRSS"].split()[0]) * 1024
    )


def _connections(pid: int) -> dict[str, tuple[int, int]]:
    """Returns the local and remote port of each TCP connection of a process, by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            near, far = (int(end.rsplit(":", 1)[1], 16) for end in fields[1:3])
            found[fields[9]] = near, far
    return found
