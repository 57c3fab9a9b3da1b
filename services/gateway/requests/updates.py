"""Turns the changes of UpdateJob into the request for the store."""

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import NO_NUL, canonical_job_id
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.submission import check_times
from services.gateway.requests.violations import Violations
from services.stubs.results.v1 import results_pb2

FIELDS = ("name", "labels", "job_class", "max_parallelism", "budget_micros", "job_timeout", "retention")


async def new_update(request: gateway_pb2.UpdateJobRequest, tenant: str) -> results_pb2.UpdateJobRequest:
    """Returns the request for the store, without the values of fields that the mask does not name.

    Raises:
        InvalidArgumentError: INVALID_FIELD; names every wrong field.
    """
    violations = await violations_of(request)
    _check_mask(request, violations)
    _check_texts(request, violations)
    check_times(request, violations)
    violations.raise_if_any()
    update = results_pb2.UpdateJobRequest(
        job_id=canonical_job_id(request.job_id),
        tenant=tenant,
        fields=sorted(set(request.update_mask.paths)),
        if_change_seq=request.if_change_seq,
        resume=request.resume,
    )
    for name in update.fields:
        _copy(request, update, name)
    return update


def _copy(request: gateway_pb2.UpdateJobRequest, update: results_pb2.UpdateJobRequest, name: str) -> None:
    if name == "labels":
        update.labels.update(request.labels)
    elif name in ("job_timeout", "retention"):
        if request.HasField(name):
            getattr(update, name).CopyFrom(getattr(request, name))
    elif name in ("name", "job_class") or request.HasField(name):
        setattr(update, name, getattr(request, name))


def _check_mask(request: gateway_pb2.UpdateJobRequest, violations: Violations) -> None:
    unknown = sorted(set(request.update_mask.paths) - set(FIELDS))
    for name in unknown[:1]:
        violations.add("update_mask", f"{name!r} cannot be changed; use {', '.join(FIELDS)}")
    if not request.update_mask.paths and not request.resume:
        violations.add("update_mask", f"must name the fields to change, out of {', '.join(FIELDS)}")
    unnamed = [
        field.name
        for field, _ in request.ListFields()
        if field.name in FIELDS and field.name not in request.update_mask.paths
    ]
    for name in unnamed:
        violations.add(name, "is set but update_mask does not name it; name it, or unset it")


def _check_texts(request: gateway_pb2.UpdateJobRequest, violations: Violations) -> None:
    if "\0" in request.name:
        violations.add("name", NO_NUL)
    if any("\0" in text for text in request.labels.values()):
        violations.add("labels", NO_NUL)
