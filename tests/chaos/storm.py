"""Runs phases: load, faults in the middle of it, and what must hold afterwards."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from headrace.kinds import builtin_kinds
from tests.chaos.calls import Call, Death, Repeats, find_repeats, to_calls
from tests.chaos.census import Count, settled_leaks, take_census
from tests.chaos.faults import Fault
from tests.chaos.jobs import StormJob
from tests.chaos.load import Load
from tests.chaos.plan import TAKEOVER_SECONDS
from tests.chaos.rest import find_remains
from tests.chaos.store import Store
from tests.chaos.system import PROVIDER_FAULTS, UNACKNOWLEDGED_LIMIT, System, until
from tests.chaos.watchers import Watchers

_MAX_TRIES = builtin_kinds()["llm.classify"].max_tries
_FLOWING_SECONDS = 60.0
_END_SECONDS = 180.0
_LEAK_SECONDS = 20.0


@dataclass
class Row:
    """What a phase came to.

    Attributes:
        name: Its faults.
        job_count: Jobs that were accepted.
        item_count: Their items.
        failed_count: Of these, those that failed.
        call_count: Calls to the provider.
        failure_count: Calls that the provider failed.
        repeated_count: Calls made again that it had not failed.
        allowed_count: How many of those the faults allow.
        takeover_seconds: Of each death, until others worked on what that worker held.
        stall_seconds: The longest time without a new call while there was load.
        seconds: Of the phase.
        broken: Promises that were broken, each in words.
    """

    name: str
    job_count: int = 0
    item_count: int = 0
    failed_count: int = 0
    call_count: int = 0
    failure_count: int = 0
    repeated_count: int = 0
    allowed_count: int = 0
    takeover_seconds: list[float] = field(default_factory=list)
    stall_seconds: float = 0.0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)


class Storm:
    """A system under load, its provider failing by chance from the seed.

    Args:
        system: Was started.
        seed: Decides sizes, classes and the provider's faults.
    """

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._store = Store(system.stack.database_url)
        self._rng = random.Random(seed)
        self._seed = seed
        self._baseline: dict[str, Count] = {}
        self._jobs: list[StormJob] = []
        self._phase_count = 0

    async def begin(self) -> None:
        """Makes the provider fail by chance from now on, and keep its log."""
        faults = {"seed": self._seed, "faults": PROVIDER_FAULTS}
        await self._system.control_provider(keep_log=True, fail_randomly=faults)

    async def run_phase(
        self, name: str, lanes: Sequence[Sequence[Fault]], *, max_items: int = 1500, backlog: int = 1000
    ) -> Row:
        """Runs faults under load, waits until every job has ended, and judges.

        Args:
            name: In the table.
            lanes: Faults of one lane come one after the other, lanes beside each other.
            max_items: Of one job.
            backlog: Unfinished items to keep up meanwhile.
        """
        begin, row = time.time(), Row(name)
        first_call = len(await self._system.read_call_log())
        self._phase_count += 1
        watchers = Watchers(self._system.targets)
        load = Load(
            f"s{self._seed}-{self._phase_count}",
            self._system.targets,
            watchers,
            self._rng,
            max_items=max_items,
            backlog=backlog,
        )
        load.start()
        await until(lambda: watchers.done_count >= 100, _FLOWING_SECONDS, "the load has begun")
        self._note_newcomers()
        strike_time = time.time()
        deaths = await _strike_all(self._system, lanes)
        await asyncio.sleep(2.0)  # load after the last fault
        load_end_time = time.time()
        await load.end()
        late = await watchers.wait(_END_SECONDS)
        row.broken += [f"{mark}: no terminal snapshot {_END_SECONDS:.0f} s after the faults" for mark in late]
        row.broken += load.troubles + watchers.faults
        row.broken += [fault for watch in watchers.watches for fault in watch.faults]
        await watchers.close()
        calls = to_calls(await self._system.read_call_log(first_call))
        await self._judge_calls(row, calls, load.jobs, deaths)
        row.stall_seconds = _longest_gap(calls, strike_time, load_end_time)
        await self._judge_store(row, load.jobs, deaths)
        await self._judge_survivors(row)
        row.seconds = time.time() - begin
        return row

    async def _judge_calls(
        self, row: Row, calls: Sequence[Call], jobs: Sequence[StormJob], deaths: Sequence[Death]
    ) -> None:
        repeats = find_repeats(calls, deaths, await self._store.recorded_times(jobs))
        row.call_count, row.failure_count = repeats.call_count, repeats.failure_counts.total()
        row.repeated_count = repeats.excused.total() + len(repeats.wrong)
        most = self._system.in_flight_limit + UNACKNOWLEDGED_LIMIT
        row.allowed_count = most * len(deaths)
        row.broken += [f"called again: {repeat}" for repeat in repeats.wrong]
        row.broken += [f"called after its result: {call}" for call in repeats.too_late]
        row.broken += _over_allowed(repeats, most)
        for place, why in (await self._store.failed_items(jobs)).items():
            if repeats.failures_of[place] < _MAX_TRIES:
                row.broken.append(
                    f"{place} failed, of which the provider failed {repeats.failures_of[place]}: {why}"
                )
        taken_over = [death.takeover_seconds(calls) for death in deaths]
        row.takeover_seconds = [seconds for seconds in taken_over if seconds is not None]
        # A worker that is only silent is waited for longer, and without a store nobody can take over.
        if row.name.startswith("kill worker"):
            late = [seconds for seconds in row.takeover_seconds if seconds > TAKEOVER_SECONDS]
            row.broken += [f"taken over after {seconds:.1f} s" for seconds in late]

    async def _judge_store(self, row: Row, jobs: list[StormJob], deaths: Sequence[Death]) -> None:
        self._jobs += jobs
        facts = await self._store.facts(jobs)
        row.job_count, row.item_count, row.failed_count = (
            len(jobs),
            facts["item_count"],
            facts["failed_count"],
        )
        row.broken += await self._store.wrong_jobs(jobs)
        row.broken += await self._store.unknown_jobs(f"s{self._seed}-", self._jobs)
        sent = sum(job.item_count for job in jobs)
        if sent != row.item_count:
            row.broken.append(f"{sent} items were sent and {row.item_count} are stored")
        if any(death.places for death in deaths) and not facts["loss_count"]:
            row.broken.append("nobody took the leases of a worker that was dead for long enough")
        if not deaths and facts["loss_count"]:
            row.broken.append(f"{facts['loss_count']} leases were taken from workers that were not dead")

    async def _judge_survivors(self, row: Row) -> None:
        services, port = list(self._system.services.values()), self._system.stack.stand_in.port
        leaks = await settled_leaks(self._baseline, services, port, _LEAK_SECONDS)
        row.broken += [f"left over in {leak}" for leak in leaks]
        remains = await find_remains(services, len(self._system.stack.gateways), _LEAK_SECONDS)
        row.broken += [f"not at rest: {what}" for what in remains]
        running = self._note_newcomers()
        row.broken += [f"{name} does not run" for name in self._system.services.keys() - running]

    def _note_newcomers(self) -> set[str]:
        """Takes what processes hold that were not looked at before as their level; returns who runs."""
        now = take_census(self._system.services.values(), self._system.stack.stand_in.port)
        for name, count in now.items():
            before = self._baseline.get(name)
            if before is None or before.pid != count.pid:
                self._baseline[name] = count
        return set(now)


async def _strike_all(system: System, lanes: Sequence[Sequence[Fault]]) -> list[Death]:
    async def strike(lane: Sequence[Fault]) -> list[Death]:
        found = [await fault.strike(system) for fault in lane]
        return [death for death in found if death is not None]

    return [death for found in await asyncio.gather(*map(strike, lanes)) for death in found]


def _over_allowed(repeats: Repeats, most: int) -> list[str]:
    return [
        f"{count} calls of {death.worker} made again, allowed {most}"
        for death, count in repeats.excused.items()
        if count > most
    ]


def _longest_gap(calls: Sequence[Call], begin: float, end: float) -> float:
    begins = sorted(call.begin for call in calls if begin <= call.begin <= end)
    times = [begin, *begins, end]
    return max(later - earlier for earlier, later in pairwise(times))
