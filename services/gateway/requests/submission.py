"""From what a client submits to what the store keeps, or everything that is wrong with it."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import uuid_utils
from pydantic import BaseModel

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Kind, validate_params
from services.gateway.requests.durations import is_normal
from services.gateway.requests.fields import NO_NUL
from services.gateway.requests.item_texts import check_items
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.violations import Violations
from services.shared.tracing import current_trace_id
from services.stubs.results.v1 import results_pb2

DEFAULT_MAX_FAILED_RATIO = 0.5
MOST_DAYS_AHEAD = 366
_TIMEOUTS = ("job_timeout", "item_timeout", "call_timeout")


async def new_job(
    request: gateway_pb2.SubmitJobRequest, tenant: str, kinds: Mapping[str, Kind[Any]], prices: JobPrices
) -> results_pb2.NewJob:
    """Returns the job to store, with a new id; lets the loop go on while it checks many items.

    Args:
        request: As the client sent it.
        tenant: Its owner.
        kinds: The kinds that jobs can name, by name.
        prices: Know which jobs can have a budget.

    Raises:
        InvalidArgumentError: Names every field that is wrong; the reason is UNKNOWN_KIND or
            ITEM_TOO_LARGE where that is one of them, else INVALID_FIELD.
    """
    violations = await violations_of(request)
    params = request.params or "{}"
    valid_params = _check_kind_and_params(request.kind, params, kinds, violations)
    if valid_params is not None and request.options.HasField("budget_micros"):
        _check_budget(prices.model_without_price(valid_params), violations)
    if request.upload and request.validate_only:
        violations.add("validate_only", "must not be set together with upload")
    if "\0" in request.request_id:
        violations.add("request_id", NO_NUL)
    _check_times(request.options, violations)
    items_digest = hashlib.sha256()
    if not violations.names("items"):
        await check_items(request.items, violations, items_digest)
    violations.raise_if_any()
    job = results_pb2.NewJob(
        job_id=str(uuid_utils.uuid7()),
        tenant=tenant,
        request_id=request.request_id or str(uuid_utils.uuid7()),
        kind=request.kind,
        params=params,
        items=request.items,
        options=request.options,
        upload_open=request.upload,
        trace_id=current_trace_id(),  # no part of the content: a repeated call has another one
    )
    job.options.job_class = request.options.job_class or jobs_pb2.JOB_CLASS_DEFAULT
    if not request.options.HasField("max_failed_ratio"):
        job.options.max_failed_ratio = DEFAULT_MAX_FAILED_RATIO
    job.content_hash = _content_hash(job, items_digest.digest())
    return job


def _check_kind_and_params(
    kind_name: str, params: str, kinds: Mapping[str, Kind[Any]], violations: Violations
) -> BaseModel | None:
    """Returns the params as their kind takes them; None where they, or the kind, are wrong."""
    kind = kinds.get(kind_name)
    if kind is None and not violations.names("kind"):
        known = ", ".join(sorted(kinds))
        violations.add("kind", f"is not a known kind; known are: {known}", "UNKNOWN_KIND")
    if kind is not None and not violations.names("params"):
        try:
            return validate_params(kind, params)
        except InvalidArgumentError as error:
            violations.add_error(error, "params")
    return None


def _check_budget(model_without_price: str | None, violations: Violations) -> None:
    if model_without_price is not None and not violations.names("options.budget_micros"):
        violations.add(
            "options.budget_micros",
            f"cannot be kept, for the price of {model_without_price} is not known; see HEADRACE_PRICES_FILE",
        )


def _check_times(options: jobs_pb2.JobOptions, violations: Violations) -> None:
    for name in _TIMEOUTS:
        if not is_normal(getattr(options, name)) and not violations.names(f"options.{name}"):
            message = "must be a valid duration, with nanos from 0 to 999,999,999"
            violations.add(f"options.{name}", message)
    if not options.HasField("schedule_time"):
        return
    try:
        options.schedule_time.ToDatetime()
    except ValueError:
        violations.add("options.schedule_time", "must be a valid timestamp, from year 1 to 9999")
        return
    if options.schedule_time.seconds > time.time() + MOST_DAYS_AHEAD * 86_400:
        violations.add("options.schedule_time", "must be at most a year ahead")


def _content_hash(job: results_pb2.NewJob, items_digest: bytes) -> bytes:
    digest = hashlib.sha256()
    options = job.options.SerializeToString(deterministic=True)
    upload = b"upload" if job.upload_open else b""
    for field in (job.kind.encode(), job.params.encode(), options, upload, items_digest):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
