"""Runs phases of load with faults, and checks every guarantee after each."""

import asyncio
import random
import time
from collections.abc import Sequence

from tests.chaos.calls import Death, to_calls
from tests.chaos.faults import Fault
from tests.chaos.judging import Judge, Phase
from tests.chaos.load import Load
from tests.chaos.row import Row
from tests.chaos.system import PROVIDER_FAULTS, System, until
from tests.chaos.watchers import Watchers

_FLOWING_ITEMS, _FLOWING_SECONDS = 100, 60.0
_TAIL_SECONDS = 2.0  # of load, after the last fault
_END_SECONDS = 180.0


class Storm:
    """A system under load, with random faults of its provider.

    Args:
        system: A started system.
        seed: Seed of sizes, classes and the provider's faults, unique within a system.
    """

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._rng = random.Random(seed)
        self._seed = seed
        self._judge = Judge(system, f"s{seed}-")
        self._phase_count = 0

    async def begin(self) -> None:
        """Turns on random faults and the log of the provider."""
        faults = {"seed": self._seed, "faults": PROVIDER_FAULTS}
        await self._system.control_provider(keep_log=True, fail_randomly=faults)

    async def run_phase(
        self, name: str, lanes: Sequence[Sequence[Fault]], *, max_items: int = 1500, backlog: int = 1000
    ) -> Row:
        """Runs faults under load, waits until every job has ended, and judges the phase.

        Args:
            name: Name in the table.
            lanes: Sequences of faults. Lanes run in parallel.
            max_items: Maximum items of a job.
            backlog: Number of unfinished items to maintain.
        """
        begin, row = time.time(), Row(name)
        first_call = len(await self._system.read_call_log())
        self._phase_count += 1
        targets, watchers = self._system.targets, Watchers(self._system.targets)
        mark = f"s{self._seed}-{self._phase_count}"
        load = Load(mark, targets, watchers, self._rng, max_items=max_items, backlog=backlog)
        load.start()
        await until(lambda: watchers.done_count >= _FLOWING_ITEMS, _FLOWING_SECONDS, "the load has begun")
        self._judge.note_levels()
        strike_time = time.time()
        deaths = await _strike_all(self._system, lanes)
        await asyncio.sleep(_TAIL_SECONDS)
        load_end_time = time.time()
        await load.end()
        row.broken += await watchers.wait(_END_SECONDS) + load.troubles
        await watchers.close()
        calls = to_calls(await self._system.read_call_log(first_call))
        await self._judge.judge(row, Phase(load.jobs, calls, deaths, strike_time, load_end_time))
        row.seconds = time.time() - begin
        return row


async def _strike_all(system: System, lanes: Sequence[Sequence[Fault]]) -> list[Death]:
    async def strike(lane: Sequence[Fault]) -> list[Death]:
        found = [await fault.strike(system) for fault in lane]
        return [death for death in found if death is not None]

    return [death for found in await asyncio.gather(*map(strike, lanes)) for death in found]
