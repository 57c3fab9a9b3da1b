"""Turns a submitted request into the job to store, or into one error that names everything wrong with it."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import uuid_utils
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Kind, params_schema, validate_params
from headrace.reasons import ErrorReason
from services.gateway.requests.durations import is_normal
from services.gateway.requests.fields import NO_NUL, invalid_field
from services.gateway.requests.item_fields import ItemFields
from services.gateway.requests.item_keys import check_key_count
from services.gateway.requests.item_texts import check_items
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.job_search import is_valid
from services.gateway.requests.labels import check_name_and_labels, described
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.violations import Violations
from services.shared.tracing import current_trace_id
from services.shared.validation.item_keys import check_unique
from services.stubs.results.v1 import results_pb2

DEFAULT_MAX_FAILED_RATIO = 0.5
MAX_DAYS_AHEAD = 366
MAX_MODEL_BYTES = 1024
_LARGE_PARAMS = 64 * 1024


class Submissions:
    """Checks submitted jobs against the installed kinds and the known prices.

    Args:
        kinds: Kinds that jobs can name, by name.
        prices: Prices for budgets and estimates.
    """

    def __init__(self, kinds: Mapping[str, Kind[Any]], prices: JobPrices) -> None:
        self._kinds = kinds
        self._prices = prices

    def list_kinds(self) -> list[jobs_pb2.Kind]:
        """Returns the kinds with the schemas of their params, ordered by name."""
        return [
            jobs_pb2.Kind(name=name, description=kind.description, params_schema=params_schema(kind))
            for name, kind in sorted(self._kinds.items())
        ]

    async def new_job(
        self, request: gateway_pb2.SubmitJobRequest, tenant: str, warnings: list[str] | None = None
    ) -> results_pb2.NewJob:
        """Returns the job to store, with a new id; yields to the loop while it checks many items.

        Args:
            request: Request as the client sent it.
            tenant: Owner of the job.
            warnings: Receives the mistakes that the job may have, for people.

        Raises:
            InvalidArgumentError: Names every wrong field. The reason is UNKNOWN_KIND, ITEM_TOO_LARGE or
                FIELD_MISSING if one of them applies, else INVALID_FIELD. If no field is wrong, but two items
                have the same key, it is ITEM_KEY_TAKEN.
        """
        violations = await violations_of(request)
        params = await self._check_kind_and_budget(request, violations)
        if request.upload and request.validate_only:
            violations.add("validate_only", "must not be set together with upload; unset one of them")
        if "\0" in request.request_id:
            violations.add("request_id", NO_NUL)
        check_name_and_labels(request.name, request.labels, violations)
        _check_times(request.options, violations)
        items_digest = hashlib.sha256()
        fields = await self._fields_of(request, params)
        on_item = None if fields is None else fields.add
        if not violations.names("items"):
            await check_items(request.items, violations, items_digest, on_item)
        if not violations.names("items") and not violations.names("sample_items"):
            # The upload brings these again, and its own check names those that are not JSON.
            await check_items(request.sample_items, Violations(), on_item=on_item)
        check_key_count(request, violations)
        if fields is not None:
            found = fields.report(violations)
            if warnings is not None:
                warnings += found
        violations.raise_if_any()
        check_unique(request.item_keys)
        job = _job_of(request, tenant)
        job.model = _model_of(params)
        job.content_hash = _content_hash(job, items_digest.digest())
        return job

    async def _fields_of(
        self, request: gateway_pb2.SubmitJobRequest, params: BaseModel | None
    ) -> ItemFields | None:
        """Returns the check of the items' fields. The templates of large params are read in a thread."""
        kind = self._kinds.get(request.kind)
        if len(request.params) < _LARGE_PARAMS:
            return ItemFields.of(kind, params, is_sample=request.upload)
        return await asyncio.to_thread(ItemFields.of, kind, params, is_sample=request.upload)

    async def estimate(self, job: results_pb2.NewJob) -> gateway_pb2.JobEstimate:
        """Returns the calls, tokens and cost of a job made by ``new_job``."""
        kind = self._kinds[job.kind]
        params = await _read_params(kind, job.params)
        are_large = len(job.params) >= _LARGE_PARAMS
        return await self._prices.estimate(kind, params, job.items, are_large=are_large)

    async def check_price(self, kind_name: str, params: str) -> None:
        """Checks that a stored job may get a budget.

        Raises:
            InvalidArgumentError: INVALID_FIELD: the price of its model is not known.
        """
        kind = self._kinds.get(kind_name)
        if kind is None:  # Another gateway knows it.
            return
        model = self._prices.model_without_price(await _read_params(kind, params))
        if model is not None:
            raise invalid_field("budget_micros", _unpriced(model, "leave the budget unset"))

    async def _check_kind_and_budget(
        self, request: gateway_pb2.SubmitJobRequest, violations: Violations
    ) -> BaseModel | None:
        """Returns the params, validated by their kind; None if the kind or the params are wrong."""
        params = await self._check_kind_and_params(request, violations)
        if params is None or not request.options.HasField("budget_micros"):
            return params
        model = self._prices.model_without_price(params)
        if model is not None and not violations.names("options.budget_micros"):
            violations.add("options.budget_micros", _unpriced(model, "submit without a budget"))
        return params

    async def _check_kind_and_params(
        self, request: gateway_pb2.SubmitJobRequest, violations: Violations
    ) -> BaseModel | None:
        """Returns the params, validated by their kind; None if the kind or the params are wrong."""
        kind = self._kinds.get(request.kind)
        if kind is None and not violations.names("kind"):
            known = ", ".join(sorted(self._kinds))
            violations.add(
                "kind",
                f"is not a known kind; use one of: {known}",
                ErrorReason.UNKNOWN_KIND,
                {"kind": request.kind},
            )
        if kind is not None and not violations.names("params"):
            try:
                return await _read_params(kind, request.params)
            except InvalidArgumentError as error:
                violations.add_error(error, "params")
        return None


def _unpriced(model: str, remedy: str) -> str:
    return f"needs the price of {model}, which is unknown; add its price to HEADRACE_PRICES_FILE or {remedy}"


async def _read_params(kind: Kind[Any], text: str) -> BaseModel:
    """Returns the params of a job. Large ones are validated in a thread: 1 MB can take 200 ms.

    Raises:
        InvalidArgumentError: As ``validate_params`` says.
    """
    if len(text) < _LARGE_PARAMS:
        return validate_params(kind, text)
    return await asyncio.to_thread(validate_params, kind, text)


def check_times(message: Message, violations: Violations, prefix: str = "") -> None:
    """Checks every duration and timestamp among the fields of a message, whichever there are."""
    for field, value in message.ListFields():
        path = prefix + field.name
        if violations.names(path):
            continue
        if isinstance(value, Duration) and not is_normal(value):
            violations.add(path, "must be a valid duration, with nanos from 0 to 999,999,999")
        if isinstance(value, Timestamp) and not is_valid(value):
            violations.add(path, "must be a valid timestamp, from year 1 to 9999")


def _check_times(options: jobs_pb2.JobOptions, violations: Violations) -> None:
    check_times(options, violations, "options.")
    path = "options.schedule_time"
    latest = time.time() + MAX_DAYS_AHEAD * 86_400
    if options.schedule_time.seconds > latest and not violations.names(path):
        violations.add(path, "must be at most a year ahead")


def _job_of(request: gateway_pb2.SubmitJobRequest, tenant: str) -> results_pb2.NewJob:
    job = results_pb2.NewJob(
        job_id=str(uuid_utils.uuid7()),
        tenant=tenant,
        request_id=request.request_id or str(uuid_utils.uuid7()),
        kind=request.kind,
        params=request.params or "{}",
        items=request.items,
        item_keys=request.item_keys if any(request.item_keys) else (),
        options=request.options,
        upload_open=request.upload,
        trace_id=current_trace_id(),
        name=request.name,
        labels=request.labels,
    )
    job.options.job_class = request.options.job_class or jobs_pb2.JOB_CLASS_DEFAULT
    if not request.options.HasField("max_failed_ratio"):
        job.options.max_failed_ratio = DEFAULT_MAX_FAILED_RATIO
    return job


def _model_of(params: BaseModel | None) -> str:
    """Returns the model that params name; empty if they name none, or no text that can be stored."""
    model = getattr(params, "model", None)
    if not isinstance(model, str) or "\0" in model or len(model.encode()) > MAX_MODEL_BYTES:
        return ""
    return model


def _content_hash(job: results_pb2.NewJob, items_digest: bytes) -> bytes:
    """Returns the hash that tells a repeated submission from another one with the same request_id.

    The hash has job_class and max_failed_ratio with their defaults filled in. It leaves out the trace:
    a repeated call has another one. Without keys, name and labels, it is that of versions without them.
    """
    options = job.options.SerializeToString(deterministic=True)
    upload = b"upload" if job.upload_open else b""
    digest = hashlib.sha256()
    keys = (key.encode() for key in job.item_keys)
    fields = (job.kind.encode(), job.params.encode(), options, upload, items_digest)
    for field in (*fields, *keys, *described(job.name, job.labels)):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
