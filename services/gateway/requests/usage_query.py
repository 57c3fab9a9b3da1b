"""Reads the days, the grouping and the filters of GetUsage."""

from datetime import UTC, date, datetime, timedelta

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import NO_NUL
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.violations import Violations
from services.stubs.results.v1 import results_pb2

DEFAULT_DAYS = 30
MAX_DAYS = 366

_EPOCH = date(1970, 1, 1)


async def usage_query(request: gateway_pb2.GetUsageRequest, tenant: str) -> results_pb2.GetUsageRequest:
    """Returns the query of a request.

    Raises:
        InvalidArgumentError: INVALID_FIELD; names every wrong field.
    """
    violations = await violations_of(request)
    for name in ("by_label", "kind", "model"):
        if "\0" in getattr(request, name):
            violations.add(name, NO_NUL)
    if any("\0" in value for value in request.labels.values()):
        violations.add("labels", NO_NUL)
    if '"' in request.by_label or "\\" in request.by_label:
        violations.add("by_label", "must be a key of a label, without quotes and backslashes")
    first, last = _days(request, violations)
    violations.raise_if_any()
    return results_pb2.GetUsageRequest(
        tenant=tenant,
        first_day=(first - _EPOCH).days,
        last_day=(last - _EPOCH).days,
        by_day=request.by_day,
        by_model=request.by_model,
        by_kind=request.by_kind,
        by_label=request.by_label,
        kind=request.kind,
        model=request.model,
        labels=request.labels,
    )


def _days(request: gateway_pb2.GetUsageRequest, violations: Violations) -> tuple[date, date]:
    last = _day(request.last_day, "last_day", violations) or datetime.now(UTC).date()
    first = _day(request.first_day, "first_day", violations)
    if first is None:
        first = date.fromordinal(max(1, last.toordinal() - DEFAULT_DAYS))
    if first > last:
        violations.add("first_day", "must not be after last_day")
    elif last - first > timedelta(days=MAX_DAYS):
        violations.add("first_day", f"must be at most {MAX_DAYS} days before last_day")
    return first, last


def _day(text: str, field: str, violations: Violations) -> date | None:
    if not text or violations.names(field):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        violations.add(field, "must be a day such as 2026-01-31")
        return None
