"""Sweeps the store every second, and looks after silent workers."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from functools import partial

from headrace.errors import HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.effects import EffectRunner
from services.gateway.metrics import LIVE_WORKERS, SWEEPS_FAILED
from services.gateway.port_probe import port_is_closed
from services.gateway.store import StoreClient, cause_of
from services.gateway.watching.progress_streams import ProgressStreams
from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.shared.serving.readiness import Need
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

SWEEP_SECONDS = 1.0
# Time limit of the last sweep when a gateway stops, in seconds.
STOP_SECONDS = 2.0


class Dispatcher:
    """Calls Sweep every second and carries out the effects of its replies.

    Args:
        store: The store to sweep.
        effects: Carries out the effects.
        streams: Follows the live workers.
        target: Address of the store, for the log.

    Attributes:
        store_need: Met for ever by the first sweep: later, callers get UNAVAILABLE and try again.
    """

    def __init__(
        self, store: StoreClient, effects: EffectRunner, streams: ProgressStreams, target: str = ""
    ) -> None:
        self._store = store
        self._effects = effects
        self._streams = streams
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._silent: set[str] = set()
        self._degradation = Degradation(log, "sweep")
        self.store_need = Need("results", target, lasting=True)
        self._sweeping = asyncio.Lock()

    async def run(self) -> None:
        """Sweeps until cancelled. If the store does not reply, it is asked again a second later."""
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
        """Waits for a sweep in flight, whose effects only this gateway gets. Cancel ``run`` afterwards."""
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
            self.store_need.note_failure(cause_of(error) or error.reason)
            self._degradation.note_failure(reason=error.reason, cause=cause_of(error))
        except Exception:  # the next sweep must happen, whatever this one ran into
            SWEEPS_FAILED.inc()
            log.exception("sweep_failed")
        else:
            self._degradation.note_success()
            self.store_need.note_answer()

    def _probe(self, silent_workers: Collection[jobs_pb2.Worker]) -> None:
        self._silent &= {worker.incarnation for worker in silent_workers}
        for worker in silent_workers:
            if worker.incarnation not in self._probes:
                probe = asyncio.create_task(self._end_if_closed(worker))
                self._probes[worker.incarnation] = probe
                probe.add_done_callback(partial(self._forget_probe, worker.incarnation))

    def _forget_probe(self, incarnation: str, probe: asyncio.Task[None]) -> None:
        del self._probes[incarnation]

    def _note_silence(self, worker: jobs_pb2.Worker) -> None:
        """Breaks the stream of a worker that is silent though its port is not closed, once per silence.

        Its leases stay, because it may be alive behind a broken network. But its connection may be dead, and
        TCP would take minutes to find out.
        """
        if worker.incarnation not in self._silent:
            self._silent.add(worker.incarnation)
            log.warning("worker_silent", incarnation=worker.incarnation, address=worker.address)
            self._streams.reconnect(worker)

    async def _end_if_closed(self, worker: jobs_pb2.Worker) -> None:
        if not await port_is_closed(worker.address):
            self._note_silence(worker)
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
