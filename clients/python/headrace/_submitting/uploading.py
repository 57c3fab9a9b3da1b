"""Uploads items over as many connections as it takes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from headrace._messages.conversion import to_job
from headrace._submitting.item_reading import encode_item
from headrace._submitting.position_in_job import at_position_in_job
from headrace._submitting.upload_stream import UploadStream
from headrace._submitting.upload_window import UploadWindow
from headrace._transport.connection import GatewayConnection, is_passing
from headrace._transport.resumption import Resumption
from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2
from headrace.reasons import ErrorReason
from headrace.resources import Job


async def upload_items(
    connection: GatewayConnection, job_id: str, gathered: Sequence[Any], rest: AsyncGenerator[Any, None]
) -> Job:
    """Adds items to a job, closes its upload, and returns its snapshot.

    Reads items while others are being sent, but never more than the window holds. Items that are already
    stored are only counted. A job that ends meanwhile is returned in that state.

    Args:
        connection: Connection to call on. Its timeout limits the wait for each response, its resume_timeout
            an outage.
        job_id: Job submitted with upload.
        gathered: First items of the job.
        rest: Items after them.

    Raises:
        HeadraceError: The gateway refused items, named by their position in the job, or none answered for the
            connection's resume_timeout.
        BaseException: An error of the iteration over the items. The items before it are stored, and the
            upload stays open.
    """
    window = UploadWindow()
    reading = asyncio.create_task(_fill(window, gathered, rest))
    try:
        return await Upload(connection, job_id, window).run()
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _fill(window: UploadWindow, gathered: Sequence[Any], rest: AsyncGenerator[Any, None]) -> None:
    try:
        for item in gathered:
            _put(window, item)
        async for item in rest:
            _put(window, item)
            if window.is_full:
                await window.wait_for_capacity()
    except BaseException as error:
        window.end(error)
    else:
        window.end()


def _put(window: UploadWindow, item: Any) -> None:
    if window.wants_next:
        window.add(encode_item(item, window.read_count))
    else:
        window.skip()


class Upload:
    """One upload, stream after stream.

    Args:
        connection: Connection to call on.
        job_id: Job submitted with upload.
        window: Source of its items.
    """

    def __init__(self, connection: GatewayConnection, job_id: str, window: UploadWindow) -> None:
        self._connection = connection
        self._job_id = job_id
        self._window = window
        self._refused_at: int | None = None

    async def run(self) -> Job:
        """Returns the job after the upload is closed or the job has ended.

        Raises:
            HeadraceError: As ``upload_items``.
            BaseException: An error of the iteration over the items.
        """
        resumption = Resumption(self._connection)
        while True:
            stream = UploadStream(self._connection, self._job_id, self._window, resumption)
            failure: HeadraceError | None = None
            try:
                await stream.run()
            except HeadraceError as error:
                failure = error
            if stream.closed_job is not None:
                return stream.closed_job
            if self._window.error is not None:
                raise self._window.error
            if failure is None:
                continue
            if failure.reason == ErrorReason.JOB_ENDED:
                return await self._read_job()
            if not self._may_continue(failure) or not await resumption.wait():
                raise at_position_in_job(failure)

    def _may_continue(self, error: HeadraceError) -> bool:
        """Returns whether to call again. After a wrong offset, only once unless there was progress."""
        if error.reason != ErrorReason.UPLOAD_OFFSET or not error.answered:
            return is_passing(error)
        is_first = self._refused_at != self._window.stored_count
        self._refused_at = self._window.stored_count
        return is_first

    async def _read_job(self) -> Job:
        request = gateway_pb2.GetJobRequest(job_id=self._job_id)
        response = await self._connection.call(self._connection.stub.GetJob, request)
        return to_job(response.job)
