"""Faults of the system. Each one begins, lasts for a time, and is healed."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deploy.local.servers.server import Server
from deploy.local.services import ServiceProcess
from tests.chaos.calls import Death, ItemKey
from tests.chaos.store import Store
from tests.chaos.system import System

Step = Callable[[System], Awaitable[None]]
# Seconds of silence after which a worker counts as dead even if its port is open.
DEAD_AFTER = 30.0
_LEASE_SECONDS = 10.0  # until a worker that was just started has a lease


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: Name in the table.
        begin: Injects the fault.
        heal: Removes the fault.
        hold_seconds: Seconds between the two.
        worker: Worker that the fault makes others treat as dead, and whose calls may be repeated.
            None if there is none.
        wakes: Whether that worker continues where it was.
    """

    name: str
    begin: Step
    heal: Step
    hold_seconds: float
    worker: str | None = None
    wakes: bool = False

    async def strike(self, system: System) -> Death | None:
        """Injects the fault, waits, and heals it. Returns the death of a worker if it caused one."""
        death = None
        if self.worker is not None:
            await _until_it_has_a_lease(system, self.worker)
            death = Death(self.worker, time.time(), 0.0)
        await self.begin(system)
        if death is not None:
            death.leased_items = await _leased_items(system, death.worker)
        await asyncio.sleep(self.hold_seconds)
        if death is not None:
            death.end = time.time()
            death.wake_time = death.end if self.wakes else 0.0
        await self.heal(system)
        return death


def kill(name: str, hold_seconds: float = 1.0) -> Fault:
    """SIGKILL of a service, which is started again after a time."""
    is_worker = name.startswith("worker")

    async def begin(system: System) -> None:
        if is_worker:  # as if its machine refused connections
            await system.links[f"gateways-{name}"].refuse()
        await asyncio.to_thread(system.services[name].kill)

    async def heal(system: System) -> None:
        await asyncio.to_thread(_start, system.services[name])
        if is_worker:
            await system.links[f"gateways-{name}"].open()

    return Fault(f"kill {name}, {hold_seconds:.0f} s", begin, heal, hold_seconds, name if is_worker else None)


def freeze(name: str, hold_seconds: float) -> Fault:
    """SIGSTOP of a service, and SIGCONT after a time."""

    async def begin(system: System) -> None:
        system.services[name].kill(signal.SIGSTOP)

    async def heal(system: System) -> None:
        system.services[name].kill(signal.SIGCONT)

    dies = name.startswith("worker") and hold_seconds > DEAD_AFTER
    title = f"freeze {name}, {hold_seconds:.0f} s"
    return Fault(title, begin, heal, hold_seconds, name if dies else None, wakes=True)


def cut(link: str, hold_seconds: float, *, there: bool = True, back: bool = True) -> Fault:
    """A cut of a link in one direction or both."""

    async def begin(system: System) -> None:
        system.links[link].cut(there=there, back=back)

    async def heal(system: System) -> None:
        system.links[link].heal()

    way = "both ways" if there and back else "there" if there else "back"
    name, _, upstream = link.rpartition("-")
    dies = upstream == "results" and name.startswith("worker") and hold_seconds > DEAD_AFTER
    return Fault(f"cut {link} {way}, {hold_seconds:.0f} s", begin, heal, hold_seconds, name if dies else None)


def lose_queues() -> Fault:
    """SIGKILL of RabbitMQ, which is started again without its data."""

    async def begin(system: System) -> None:
        await asyncio.to_thread(system.stack.rabbitmq.kill)
        await asyncio.to_thread(system.stack.rabbitmq.wipe)

    async def heal(system: System) -> None:
        await asyncio.to_thread(_start, system.stack.rabbitmq)

    return Fault("RabbitMQ killed, queues lost", begin, heal, 1.0)


def lose_redis() -> Fault:
    """SIGKILL of Redis, which is started again without its data."""

    async def begin(system: System) -> None:
        await asyncio.to_thread(system.stack.redis.kill)

    async def heal(system: System) -> None:
        await asyncio.to_thread(_start, system.stack.redis)

    return Fault("Redis killed, flushed", begin, heal, 1.0)


def crash_postgres(hold_seconds: float = 1.0) -> Fault:
    """Stop of PostgreSQL in its immediate mode: sessions are aborted and nothing is flushed."""

    async def begin(system: System) -> None:
        system.stack.postgres.process.send(signal.SIGQUIT)
        await asyncio.to_thread(system.stack.postgres.await_stop)

    async def heal(system: System) -> None:
        await asyncio.to_thread(_start, system.stack.postgres)

    return Fault(f"PostgreSQL crashed, {hold_seconds:.0f} s", begin, heal, hold_seconds)


async def _until_it_has_a_lease(system: System, worker: str) -> None:
    """Waits until a worker has a lease, or for the time that a new worker needs for one."""
    deadline = time.monotonic() + _LEASE_SECONDS
    while time.monotonic() < deadline and not await _leased_items(system, worker):
        await asyncio.sleep(0.1)


async def _leased_items(system: System, worker: str) -> set[ItemKey]:
    address = system.services[worker].settings["HEADRACE_WORKER_ADVERTISE"]
    return await Store(system.stack.database_url).leased_items(address)


def _start(what: ServiceProcess | Server) -> None:
    what.start()
    what.wait_ready()
