"""Repair: what is due is swept each second, and silent workers are looked after."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from headrace.errors import HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.effects import EffectRunner
from services.gateway.metrics import LIVE_WORKERS, SWEEPS_FAILED
from services.gateway.port_probe import port_is_closed
from services.gateway.store import StoreClient
from services.gateway.watching.progress_streams import ProgressStreams
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

SWEEP_SECONDS = 1.0
# How long a gateway that stops waits for the answer to its last sweep, in seconds.
STOP_SECONDS = 2.0


class Dispatcher:
    """Calls Sweep each second and does what the answer asks for.

    Args:
        store: Is swept.
        effects: Carries out repairs.
        streams: Is told which workers live.
    """

    def __init__(self, store: StoreClient, effects: EffectRunner, streams: ProgressStreams) -> None:
        self._store = store
        self._effects = effects
        self._streams = streams
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._failing = False
        self._sweeping = asyncio.Lock()

    async def run(self) -> None:
        """Works until cancelled; a store that does not answer is asked again a second later."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                next_sweep = loop.time() + SWEEP_SECONDS
                async with self._sweeping:
                    await self._sweep()
                await asyncio.sleep(next_sweep - loop.time())
        finally:
            for probe in self._probes.values():
                probe.cancel()

    async def stop(self) -> None:
        """Waits for a sweep under way, whose repairs only this gateway is given; then cancel ``run``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS), self._sweeping:
                pass

    async def _sweep(self) -> None:
        try:
            response = await self._store.sweep()
            self._effects.carry_out(response.effects)
            LIVE_WORKERS.set(len(response.live_workers))
            self._effects.set_worker_count(len(response.live_workers))
            self._streams.follow(response.live_workers)
            self._probe(response.silent_workers)
        except HeadraceError as error:
            SWEEPS_FAILED.inc()
            if not self._failing:
                log.warning("sweep_failed", reason=error.reason)
            self._failing = True
        except Exception:  # repair must go on, whatever one round ran into
            SWEEPS_FAILED.inc()
            log.exception("sweep_failed")
        else:
            if self._failing:
                log.info("sweep_succeeded_again")
            self._failing = False

    def _probe(self, silent_workers: Iterable[jobs_pb2.Worker]) -> None:
        for worker in silent_workers:
            if worker.incarnation not in self._probes:
                probe = asyncio.create_task(self._end_if_closed(worker))
                self._probes[worker.incarnation] = probe
                probe.add_done_callback(partial(self._forget_probe, worker.incarnation))

    def _forget_probe(self, incarnation: str, probe: asyncio.Task[None]) -> None:
        del self._probes[incarnation]

    async def _end_if_closed(self, worker: jobs_pb2.Worker) -> None:
        if not await port_is_closed(worker.address):
            return
        log.warning("worker_port_closed", incarnation=worker.incarnation)
        try:
            response = await self._store.end_worker(
                worker.incarnation, results_pb2.EndWorkerRequest.CAUSE_PORT_CLOSED
            )
        except HeadraceError as error:
            log.warning("worker_not_ended", incarnation=worker.incarnation, reason=error.reason)
        else:
            self._effects.carry_out(response.effects)
