"""Refunds attempts when an outage begins, reports it, and asks for the pause of jobs if it lasts."""

import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items.leased_work import LeasedJob
from services.worker.items.live_numbers import ModelWaits
from services.worker.items.reporting import Reporting


class OutagePauses:
    """Refunds the attempts of each job once per outage, reports the outage, and asks for its pause once.

    Args:
        waits: Knows the outages of models.
        reporting: Reports to the store.
    """

    def __init__(self, waits: ModelWaits, reporting: Reporting) -> None:
        self._waits = waits
        self._reporting = reporting

    def check(self, job: LeasedJob) -> None:
        """Refunds attempts in an outage, and asks for a pause in a lasting one.

        The beginning and the end of the outage are reported for the history of the job.

        It asks for a pause if a probe has failed since the job was first seen in the lasting outage. So a job
        that was resumed gets another probe before it is paused again.
        """
        outage = self._waits.outage(job.spec)
        if outage is None:
            if job.outage_id:
                self._report(job, results_pb2.OutageChange(outage_id=job.outage_id, ended=True))
            job.outage_id = ""
        else:
            if job.outage_id != outage.outage_id:
                error = jobs_pb2.Error(reason=outage.reason, message=outage.message)
                self._report(job, results_pb2.OutageChange(outage_id=outage.outage_id, error=error))
            job.refund_attempts(outage.outage_id)
            outage = self._waits.lasting_outage(job.spec)
        if outage is None:
            job.failed_probes, job.pause_requested = None, False
        elif job.failed_probes is None:
            job.failed_probes = outage.probe_count
        elif outage.probe_count > job.failed_probes and not job.pause_requested:
            job.pause_requested = True
            error = jobs_pb2.Error(reason=outage.reason, message=outage.message)
            asyncio.get_running_loop().call_soon(self._reporting.pause_job, job, error)

    def _report(self, job: LeasedJob, change: results_pb2.OutageChange) -> None:
        asyncio.get_running_loop().call_soon(self._reporting.note_outage, job, change)
