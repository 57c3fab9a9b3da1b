"""Whether the promises held in a phase, from the store, the provider's log, and the processes themselves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from headrace.kinds import builtin_kinds
from tests.chaos.calls import Call, Death, find_repeats
from tests.chaos.census import Count, settled_leaks, take_census
from tests.chaos.jobs import StormJob
from tests.chaos.plan import TAKEOVER_SECONDS
from tests.chaos.rest import find_remains
from tests.chaos.row import Row
from tests.chaos.store import Store
from tests.chaos.system import UNACKNOWLEDGED_LIMIT, System

_MAX_ATTEMPTS = builtin_kinds()["llm.classify"].max_attempts
_LEAK_SECONDS = 20.0


@dataclass(frozen=True)
class Phase:
    """What happened in a phase.

    Attributes:
        jobs: Those that were accepted.
        calls: To the provider.
        deaths: Of workers.
        strike_time: When the first fault began, in seconds since 1970.
        load_end_time: When nothing more was submitted, likewise.
    """

    jobs: Sequence[StormJob]
    calls: Sequence[Call]
    deaths: Sequence[Death]
    strike_time: float
    load_end_time: float


class Judge:
    """Judges phases of one system, one after the other.

    Args:
        system: Was started.
        prefix: With which the marks of all jobs begin, and of no other storm's.
    """

    def __init__(self, system: System, prefix: str) -> None:
        self._system = system
        self._prefix = prefix
        self._store = Store(system.stack.database_url)
        self._levels: dict[str, Count] = {}
        self._jobs: list[StormJob] = []

    def note_levels(self) -> set[str]:
        """Takes what processes hold that were not looked at before as their level; returns who runs."""
        now = take_census(self._system.services.values(), self._system.stack.stand_in.port)
        for name, count in now.items():
            before = self._levels.get(name)
            if before is None or before.pid != count.pid:
                self._levels[name] = count
        return set(now)

    async def judge(self, row: Row, phase: Phase) -> None:
        """Fills in a row, and notes in it what was broken. The system must be at rest."""
        await self._judge_calls(row, phase)
        self._judge_times(row, phase)
        await self._judge_store(row, phase)
        await self._judge_survivors(row)

    async def _judge_calls(self, row: Row, phase: Phase) -> None:
        repeats = find_repeats(phase.calls, phase.deaths, await self._store.recorded_times(phase.jobs))
        row.call_count, row.failure_count = repeats.call_count, repeats.failure_counts.total()
        row.repeated_count = repeats.excused.total() + repeats.sent_late.total() + len(repeats.wrong)
        most = self._system.in_flight_limit + UNACKNOWLEDGED_LIMIT
        row.allowed_count = most * len(phase.deaths)
        row.broken += [f"called again: {repeat}" for repeat in repeats.wrong]
        row.broken += [f"called after its result: {call}" for call in repeats.too_late]
        row.broken += _over_allowed(repeats.excused + repeats.sent_late, most, "made again")
        row.broken += _over_allowed(repeats.sent_late, self._system.in_flight_limit, "sent on waking")
        row.remarks += [
            f"{count} calls that {death.worker} had begun were sent when it woke"
            for death, count in repeats.sent_late.items()
        ]
        for place, why in (await self._store.failed_items(phase.jobs)).items():
            count = repeats.failures_of[place]
            if count < _MAX_ATTEMPTS:
                row.broken.append(f"{place} failed, though the provider failed it {count} times: {why}")

    def _judge_times(self, row: Row, phase: Phase) -> None:
        begin, end = phase.strike_time, phase.load_end_time
        row.stall_seconds = _longest_gap(phase.calls, begin, end)
        row.worker_stall_seconds = max(
            _longest_gap([call for call in phase.calls if call.caller == worker.name], begin, end)
            for worker in self._system.stack.workers
        )
        taken_over = [death.takeover_seconds(phase.calls) for death in phase.deaths]
        row.takeover_seconds = [seconds for seconds in taken_over if seconds is not None]
        # A worker that is only silent is waited for longer, and without a store nobody can take over.
        if row.name.startswith("kill worker"):
            late = [seconds for seconds in row.takeover_seconds if seconds > TAKEOVER_SECONDS]
            row.broken += [f"taken over after {seconds:.1f} s" for seconds in late]

    async def _judge_store(self, row: Row, phase: Phase) -> None:
        self._jobs += phase.jobs
        facts = await self._store.facts(phase.jobs)
        row.job_count, row.item_count = len(phase.jobs), facts["item_count"]
        row.failed_count = facts["failed_count"]
        row.broken += await self._store.wrong_jobs(phase.jobs)
        row.broken += await self._store.unknown_jobs(self._prefix, self._jobs)
        sent = sum(job.item_count for job in phase.jobs)
        if sent != row.item_count:
            row.broken.append(f"{sent} items were sent and {row.item_count} are stored")
        if any(death.places for death in phase.deaths) and not facts["loss_count"]:
            row.broken.append("nobody took the leases of a worker that was dead for long enough")
        if not phase.deaths and facts["loss_count"]:
            row.broken.append(f"{facts['loss_count']} leases were taken from workers that were not dead")

    async def _judge_survivors(self, row: Row) -> None:
        services, stack = list(self._system.services.values()), self._system.stack
        leaks = await settled_leaks(self._levels, services, stack.stand_in.port, _LEAK_SECONDS)
        row.broken += [f"left over in {leak}" for leak in leaks]
        remains = await find_remains(services, len(stack.gateways), _LEAK_SECONDS)
        row.broken += [f"not at rest: {what}" for what in remains]
        running = self.note_levels()
        row.broken += [f"{name} does not run" for name in self._system.services.keys() - running]


def _over_allowed(counts: Counter[Death], most: int, what: str) -> list[str]:
    return [
        f"{count} calls of {death.worker} {what}, allowed {most}"
        for death, count in counts.items()
        if count > most
    ]


def _longest_gap(calls: Sequence[Call], begin: float, end: float) -> float:
    begins = sorted(call.begin for call in calls if begin <= call.begin <= end)
    return max(later - earlier for earlier, later in pairwise([begin, *begins, end]))
