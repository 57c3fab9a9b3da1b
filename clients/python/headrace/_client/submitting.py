"""Calls that submit jobs."""

import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Unpack

from headrace._client.base import ClientBase
from headrace._data.item_keys import Key
from headrace._messages.job_options import option_fields
from headrace._submitting.estimation import estimate_job
from headrace._submitting.item_reading import keyed_items
from headrace._submitting.submission import submit_job, submit_request
from headrace.options import JobOptions
from headrace.resources import Job, JobEstimate


class SubmittingCalls(ClientBase):
    """Submits jobs, and estimates them."""

    async def submit(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        key: Key | None = None,
        request_id: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: JobOptions | None = None,
        on_open: Callable[[Job], object] | None = None,
        timeout: float | None = None,
        **keywords: Unpack[JobOptions],
    ) -> Job:
        """Stores a job with its items and returns its snapshot. A stored job survives any crash.

        Items that fit in one request (4 MB, 100,000 items) travel with it. More are uploaded while they are
        read, in bounded memory. Items of an async generator are always uploaded, each as it comes. Work
        starts during the upload. A broken upload resumes automatically. An upload without a new item for an
        hour ends the job as EXPIRED.

        Repeating a call with its ``request_id`` and content never makes a second job: it returns the first
        one, and sends the items that an interrupted upload still misses. If the job ends during its upload,
        ``submit`` returns it in that state.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, one for each unit of work, in a list, a generator or an async generator:
                1 to 10,000,000, each up to 1 MB as JSON. Dataclasses, pydantic models, datetime, Decimal and
                scalars of numpy are values too. A DataFrame of pandas or polars and an Arrow table become
                their rows, a ``pathlib.Path`` the items of its file; see ``read_items``.
            params: Parameters for all items, as in the params_schema of the kind, up to 1 MB. Default: none.
            key: Field that holds the key of each item, such as ``"id"``, or a function that returns it. Keys
                have up to 256 characters and are unique in the job; numbers become their text. Each result
                has the key of its item. Default: no keys.
            request_id: Name of the wanted job, up to 128 characters. Default: a new UUID.
            name: Name of the job for people, up to 128 characters. Need not be unique. Default: none.
            labels: Labels by which the job is found, up to 64. Keys have 1 to 63 of A-Z, a-z, 0-9, ``-_./``,
                and begin and end with a letter or a digit. Values have up to 256 characters. Default: none.
            options: Job options; see ``JobOptions``.
            on_open: Called once with the job as soon as it is stored, before an upload sends its items.
            timeout: Seconds for each call, and in an upload for each response. Default: that of the client.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. An item that cannot be written as
                JSON or exceeds 1 MB (ITEM_TOO_LARGE) is one of these, and so is a key that is missing, or
                that another item has (ITEM_KEY_TAKEN). Items of an upload before it stay stored, and the same
                request_id continues the upload.
            AlreadyExistsError: The request_id was used with other content (REQUEST_ID_REUSED).
            FailedPreconditionError: The upload was closed with other items (UPLOAD_CLOSED, UPLOAD_TOTAL).
            AbortedError: Items that were stored are lost (UPLOAD_OFFSET). Submit again with the same
                request_id.
            UnavailableError: No gateway answered for ``timeout``, or ``resume_timeout`` in an upload. Submit
                again with the same request_id.
            TypeError: A job option is unknown.
            Exception: Any error of the iteration over ``items``, unchanged, with the effect of a wrong item.
        """
        job_options = option_fields(options, keywords)
        request_id = request_id or str(uuid.uuid4())
        request = submit_request(kind, params, job_options, request_id, name=name, labels=labels)
        connection = self._connection.limited_to(timeout)
        return await submit_job(connection, request, keyed_items(items, key), on_open)

    async def estimate(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        key: Key | None = None,
        options: JobOptions | None = None,
        timeout: float | None = None,
        **keywords: Unpack[JobOptions],
    ) -> JobEstimate:
        """Returns the calls, tokens and cost that a job would take, and stores nothing.

        Refuses the same requests as ``submit``.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``. All of them are read.
            params: Parameters for all items. Default: none.
            key: Key of each item, checked as for ``submit``.
            options: Job options, checked as for ``submit``.
            timeout: Seconds for each call. Default: that of the client.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. Beyond the first 4 MB or 100,000
                items, an item is named by its place in its request.
            UnavailableError: No gateway answered for ``timeout``.
            TypeError: A job option is unknown.
            Exception: Any error of the iteration over ``items``, unchanged.
        """
        request = submit_request(kind, params, option_fields(options, keywords))
        return await estimate_job(self._connection.limited_to(timeout), request, keyed_items(items, key))
