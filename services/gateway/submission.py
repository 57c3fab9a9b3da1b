"""From what a client submits to what the store keeps, or everything that is wrong with it."""

import asyncio
import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import uuid_utils

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Kind, validate_params
from headrace.results.v1 import results_pb2
from services.gateway.violations import Violations

MAX_ITEM_COUNT = 100_000
MAX_TEXT_BYTES = 1024 * 1024
MAX_REQUEST_ID_LENGTH = 128
DEFAULT_MAX_FAILED_RATIO = 0.5

_SLICE_SECONDS = 0.01


async def new_job(
    request: gateway_pb2.SubmitJobRequest, tenant: str, kinds: Mapping[str, Kind[Any]]
) -> results_pb2.NewJob:
    """Returns the job to store, with a new id; lets the loop go on while it checks many items.

    Args:
        request: As the client sent it.
        tenant: Its owner.
        kinds: The kinds that jobs can name, by name.

    Raises:
        InvalidArgumentError: Names every field that is wrong; the reason is that of the first:
            UNKNOWN_KIND, INVALID_FIELD or ITEM_TOO_LARGE.
    """
    violations = Violations()
    params = request.params or "{}"
    _check_kind_and_params(request.kind, params, kinds, violations)
    _check_options(request, violations)
    items_digest = await _check_items(request.items, violations)
    violations.raise_if_any()
    job = results_pb2.NewJob(
        job_id=str(uuid_utils.uuid7()),
        tenant=tenant,
        request_id=request.request_id or str(uuid_utils.uuid7()),
        kind=request.kind,
        params=params,
        items=request.items,
        job_class=request.job_class or jobs_pb2.JOB_CLASS_DEFAULT,
        max_failed_ratio=_max_failed_ratio(request),
        max_parallelism=request.max_parallelism,
    )
    job.content_hash = _content_hash(job, items_digest)
    return job


def _check_kind_and_params(
    kind_name: str, params: str, kinds: Mapping[str, Kind[Any]], violations: Violations
) -> None:
    kind = kinds.get(kind_name)
    if kind is None:
        known = ", ".join(sorted(kinds))
        violations.add("kind", f"is not a known kind; known are: {known}", "UNKNOWN_KIND")
    if len(params.encode()) > MAX_TEXT_BYTES:
        violations.add("params", "is over 1 MB")
    elif kind is not None:
        try:
            validate_params(kind, params)
        except InvalidArgumentError as error:
            violations.add_error(error, "params")


def _check_options(request: gateway_pb2.SubmitJobRequest, violations: Violations) -> None:
    if len(request.request_id) > MAX_REQUEST_ID_LENGTH:
        violations.add("request_id", f"must be at most {MAX_REQUEST_ID_LENGTH} characters long")
    if "\0" in request.request_id:
        violations.add("request_id", "must not hold a NUL character")
    if request.job_class not in jobs_pb2.JobClass.values():
        violations.add("job_class", f"must be one of {', '.join(jobs_pb2.JobClass.keys()[1:])}")
    ratio = _max_failed_ratio(request)
    if math.isnan(ratio) or not 0 <= ratio <= 1:
        violations.add("max_failed_ratio", "must be a number from 0 to 1")
    if request.HasField("max_parallelism") and request.max_parallelism < 1:
        violations.add("max_parallelism", "must be 1 or more; leave it out for no limit")


def _max_failed_ratio(request: gateway_pb2.SubmitJobRequest) -> float:
    return request.max_failed_ratio if request.HasField("max_failed_ratio") else DEFAULT_MAX_FAILED_RATIO


async def _check_items(items: Sequence[str], violations: Violations) -> bytes:
    if not items:
        violations.add("items", "must hold at least one item")
    if len(items) > MAX_ITEM_COUNT:
        violations.add("items", f"must hold at most {MAX_ITEM_COUNT:,} items")
        return b""
    digest = hashlib.sha256()
    slice_end = time.perf_counter() + _SLICE_SECONDS
    for index, item in enumerate(items):
        text = item.encode()
        _check_item(index, text, violations)
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
        if time.perf_counter() > slice_end:
            await asyncio.sleep(0)
            slice_end = time.perf_counter() + _SLICE_SECONDS
    return digest.digest()


def _check_item(index: int, text: bytes, violations: Violations) -> None:
    if len(text) > MAX_TEXT_BYTES:
        violations.add(f"items[{index}]", "is over 1 MB", "ITEM_TOO_LARGE")
        return
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        violations.add(f"items[{index}]", f"is not JSON: {error}")


def _content_hash(job: results_pb2.NewJob, items_digest: bytes) -> bytes:
    # Later options are to be added only where they are set, so that hashes in the store stay good.
    digest = hashlib.sha256()
    options = f"{job.job_class} {job.max_failed_ratio!r} {job.max_parallelism}"
    for field in (job.kind.encode(), job.params.encode(), options.encode(), items_digest):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
