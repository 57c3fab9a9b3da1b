"""What each process holds: threads, files, connections, memory; nothing may be left over after a fault."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.services import ServiceProcess

MB = 1024 * 1024
# What a process may have more than before: pools grow when they are first used to the full.
THREAD_SLACK = 8
FILE_SLACK = 8
CONNECTION_SLACK = 8
MEMORY_SLACK = 48 * MB
_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Count:
    """What one process holds now.

    Attributes:
        pid: Whose.
        thread_count: Threads.
        file_count: Open descriptors that are no TCP connection.
        connection_count: TCP connections, but those to the provider: it keeps them for a minute.
        memory_bytes: Resident.
    """

    pid: int
    thread_count: int
    file_count: int
    connection_count: int
    memory_bytes: int

    def excess_over(self, before: "Count") -> list[str]:
        """Returns what is more than it was, each in words; nothing where it is another process by now."""
        if before.pid != self.pid:
            return []
        compared = (
            ("threads", self.thread_count, before.thread_count + THREAD_SLACK),
            ("files", self.file_count, before.file_count + FILE_SLACK),
            ("connections", self.connection_count, before.connection_count + CONNECTION_SLACK),
            ("MB", self.memory_bytes // MB, int(before.memory_bytes * 1.3 + MEMORY_SLACK) // MB),
        )
        return [f"{now} {what}, allowed {most}" for what, now, most in compared if now > most]


def take_census(services: Iterable[ServiceProcess], provider_port: int) -> dict[str, Count]:
    """Returns what each running process holds, by name."""
    counts = {}
    for service in services:
        pid = service.process.pid
        if pid is not None:
            counts[service.name] = _count(pid, provider_port)
    return counts


def find_leaks(before: Mapping[str, Count], after: Mapping[str, Count]) -> list[str]:
    """Returns what survivors hold more than before, each in words."""
    return [
        f"{name}: {excess}"
        for name in before.keys() & after.keys()
        for excess in after[name].excess_over(before[name])
    ]


async def settled_leaks(
    before: Mapping[str, Count], services: Iterable[ServiceProcess], provider_port: int, seconds: float
) -> list[str]:
    """Returns what is left over; what goes within so many seconds is none."""
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
        except FileNotFoundError:  # closed meanwhile
            continue
        ends = connections.get(target.removeprefix("socket:[").rstrip("]"))
        if ends is None:
            file_count += 1
        elif ends[1] != provider_port:
            own.add(ends)
    # What leads to the process itself wakes its own loops: the AMQP library has such a pair a connection.
    outside = [(near, far) for near, far in own if (far, near) not in own]
    return Count(
        pid, int(status["Threads"]), file_count, len(outside), int(status["VmRSS"].split()[0]) * 1024
    )


def _connections(pid: int) -> dict[str, tuple[int, int]]:
    """Returns near and far port of each TCP connection that a process may have, by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            near, far = (int(end.rsplit(":", 1)[1], 16) for end in fields[1:3])
            found[fields[9]] = near, far
    return found
