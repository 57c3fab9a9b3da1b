"""Calls that change jobs."""

import uuid
from collections.abc import Iterable
from typing import Any, Unpack

from headrace._changing.updates import update_request
from headrace._client.base import ClientBase
from headrace._messages.conversion import to_job
from headrace._messages.request_building import build_request
from headrace._reading.item_reading import key_texts
from headrace.gateway.v1 import gateway_pb2
from headrace.options import JobChanges
from headrace.resources import Job


class ChangingCalls(ClientBase):
    """Cancels, pauses, retries, updates and deletes jobs."""

    async def cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Cancels a job and returns it: CANCELLING while a worker holds items of it, then CANCELLED.

        A finished job is returned unchanged. Recorded results stay.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.CancelJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.CancelJob, request, timeout)
        return to_job(response.job)

    async def pause(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Pauses a job and returns it: no new calls start, calls in flight finish, an upload continues.

        Allowed in every state. A job that has ended or is ending is returned unchanged.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.PauseJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.PauseJob, request, timeout)
        return to_job(response.job)

    async def resume(
        self, job_id: str, *, budget_micros: int | None = None, timeout: float | None = None
    ) -> Job:
        """Resumes a paused job and returns it. A job that has ended or is ending is returned unchanged.

        Args:
            job_id: UUID of the job.
            budget_micros: New total budget in millionths of a US dollar, including the amount already spent.
                It also applies to a job that is not paused. Default: the budget stays.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            FailedPreconditionError: The budget does not cover another call, or the new one does not exceed
                the amount already spent (BUDGET_SPENT).
        """
        request = build_request(gateway_pb2.ResumeJobRequest, job_id=job_id, budget_micros=budget_micros)
        response = await self._connection.call(self._connection.stub.ResumeJob, request, timeout)
        return to_job(response.job)

    async def retry(
        self,
        job_id: str,
        *,
        reasons: Iterable[str] = (),
        item_indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Starts a new round of a finished job, and returns the job, which is live again.

        Every item without a success runs: failed ones, and those that a cancellation or an expiry left
        without a result. With ``reasons``, ``item_indexes`` or ``keys``, only the selected ones run. The
        others count as failed in the new round: a failure stays, and an item without a result fails
        (ITEM_NOT_SELECTED).
        Successes stay. The job_timeout starts again. A job that has not ended, or has nothing to run, is
        returned unchanged. Streams that have ended stay ended: watch again.

        A selection in a job of over 10,000 items is prepared in the background, within about a minute for
        1,000,000 items. Meanwhile the job shows the counts and results of the round before.

        Args:
            job_id: UUID of the job.
            reasons: Reasons of the failed items to run, up to 20.
            item_indexes: Other items to run, by their index, up to 10,000. Successes are ignored.
            keys: Other items to run, by their key, up to 10,000. Unknown keys are ignored.
            request_id: Name of the wanted round, up to 128 characters. A second call with it starts nothing,
                even with another selection. Default: a new UUID.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(
            gateway_pb2.RetryJobRequest,
            job_id=job_id,
            request_id=request_id or str(uuid.uuid4()),
            reasons=(reasons,) if isinstance(reasons, str) else reasons,
            item_indexes=item_indexes,
            item_keys=key_texts(keys),
        )
        response = await self._connection.call(self._connection.stub.RetryJob, request, timeout)
        return to_job(response.job)

    async def update(
        self,
        job_id: str,
        *,
        if_change_seq: int | None = None,
        resume: bool = False,
        timeout: float | None = None,
        **changes: Unpack[JobChanges],
    ) -> Job:
        """Changes a job and returns it. A terminal job takes name, labels and retention only.

        Args:
            job_id: UUID of the job.
            if_change_seq: ``Job.change_seq`` of the snapshot that they are based on. Default: no check.
            resume: Whether to resume a job that is PAUSED for BUDGET, in the same step.
            timeout: Seconds for this call with all its repeats. Default: that of the client.
            changes: New values, by name. None clears a field.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            AbortedError: The job has changed since if_change_seq (JOB_CHANGED).
            FailedPreconditionError: The job has ended (JOB_ENDED), or the budget is not above what is spent
                (BUDGET_SPENT).
            InvalidArgumentError: A value is not allowed; ``violations`` names each.
        """
        request = update_request(job_id, changes, if_change_seq, resume=resume)
        response = await self._connection.call(self._connection.stub.UpdateJob, request, timeout)
        return to_job(response.job)

    async def delete(self, job_id: str, *, force: bool = False, timeout: float | None = None) -> None:
        """Deletes a job with its items and results. Its usage still counts.

        Args:
            job_id: UUID of the job.
            force: Whether to delete a job that has not ended, too. It is cancelled first, and the call waits
                15 s for workers to return its items.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist any more, or it belongs to another tenant.
            FailedPreconditionError: The job has not ended, and force is not set (JOB_NOT_ENDED).
        """
        request = build_request(gateway_pb2.DeleteJobRequest, job_id=job_id, force=force)
        await self._connection.call(self._connection.stub.DeleteJob, request, timeout)
