"""Checks requests by the protovalidate rules of their proto, and words the violations for people."""

import asyncio
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import protovalidate
from google.protobuf.message import Message

from headrace.reasons import ErrorReason
from services.gateway.requests.durations import range_in_words
from services.gateway.requests.labels import is_map
from services.gateway.requests.violations import Violations
from services.shared.validation.bounds import list_bounds, too_long_lists

if TYPE_CHECKING:
    from protovalidate import Violation

# Elements of a list that are checked at once. 500 wrong ones take some 15 ms, and 30 ms on a busy machine.
_ELEMENTS_PER_SLICE = 500

_A_UUID = "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057"
_ONE_OF = "must be one of {names}"
_A_RANGE = "must be {range}"
_A_LABEL_KEY = (
    "the key must have 1 to 63 of A-Z, a-z, 0-9, '-', '_', '.' and '/', "
    "and begin and end with a letter or a digit"
)
# Descriptions by rule id. Other rules use protovalidate's own message.
_DESCRIPTIONS = {
    "string.min_len": "is required",
    "string.max_len": "must be at most {limit:,} characters long",
    "string.pattern": "must match {limit}",
    "string.max_bytes": "must be at most {limit:,} bytes long",
    "string.uuid": _A_UUID,
    "string.uuid_empty": f"is required; {_A_UUID}",
    "enum.defined_only": _ONE_OF,
    "enum.not_in": _ONE_OF,
    "duration.gte_lte": _A_RANGE,
    "int32.gte": "must be {limit:,} or more",
    "int64.gte": "must be {limit:,} or more",
    "repeated.max_items": "must have at most {limit:,} elements",
    "map.max_pairs": "must have at most {limit:,} elements",
    "repeated.unique": "must name each value once",
}
_REASONS = {("items", "string.max_bytes"): ErrorReason.ITEM_TOO_LARGE}

_validator = protovalidate.Validator()


async def violations_of(request: Message) -> Violations:
    """Returns the rules of its proto that a request breaks; yields to the loop while it checks long lists.

    A list with too many elements is refused as a whole. Once 20 violations are found, no further elements are
    checked. Fields are named as clients know them: ``job_id``, ``items[3]``, ``labels["team"]``,
    ``options.max_parallelism``.
    """
    violations = Violations()
    too_long = too_long_lists(request)
    for name, bound in too_long.items():
        violations.add(name, _DESCRIPTIONS["repeated.max_items"].format(limit=bound))
    long = [
        name
        for name in list_bounds(request.DESCRIPTOR)
        if len(getattr(request, name)) > _ELEMENTS_PER_SLICE and name not in too_long
    ]
    if not long and not too_long:
        _collect(request, request, violations)
        return violations
    _collect(request, _first_slice(request, long, too_long), violations)
    for name in long:
        await _check_elements(request, name, violations)
    return violations


def _first_slice(request: Message, long: Collection[str], too_long: Collection[str]) -> Message:
    """Returns a request without the rest of its long lists. Of a list that is too long, one element stays."""
    part = type(request)()
    for field, value in request.ListFields():
        if is_map(field):
            pairs = islice(value.items(), 1 if field.name in too_long else None)
            getattr(part, field.name).update(pairs)
        elif field.is_repeated:
            count = 1 if field.name in too_long else _ELEMENTS_PER_SLICE if field.name in long else len(value)
            getattr(part, field.name).extend(value[:count])
        elif field.message_type:
            getattr(part, field.name).CopyFrom(value)
        else:
            setattr(part, field.name, value)
    return part


async def _check_elements(request: Message, name: str, violations: Violations) -> None:
    elements = getattr(request, name)
    for start in range(_ELEMENTS_PER_SLICE, len(elements), _ELEMENTS_PER_SLICE):
        if violations.is_full:
            violations.stop()
            return
        await asyncio.sleep(0)
        part = type(request)(**{name: elements[start : start + _ELEMENTS_PER_SLICE]})
        _collect(request, part, violations, sliced=name, first_index=start)


async def check_rules(request: Message) -> None:
    """Checks a request that has no rules beyond those of its proto.

    Raises:
        InvalidArgumentError: INVALID_FIELD or ITEM_TOO_LARGE; names every wrong field.
    """
    (await violations_of(request)).raise_if_any()


def _collect(
    request: Message, part: Message, violations: Violations, sliced: str = "", first_index: int = 0
) -> None:
    """Adds the violations of a part of a request.

    Args:
        request: The whole request.
        part: The request, or a part with fewer elements.
        violations: Collects the violations.
        sliced: The only list of the part, if it is not the first part. Only its elements are looked at.
        first_index: Index in the request of the part's first element.
    """
    for violation in _validator.collect_violations(part):
        elements = list(_elements(violation))
        if not elements:
            if not sliced:
                violations.add("items", _one_of_items_and_upload(request))
            continue
        name, index = elements[0]
        if sliced and (name != sliced or index is None):
            continue
        if isinstance(index, int):
            elements[0] = (name, index + first_index)
        path = ".".join(_path_element(field, at) for field, at in elements)
        reason = _REASONS.get((name, violation.proto.rule_id), ErrorReason.INVALID_FIELD)
        violations.add(path, _description(violation, request), reason)


def _elements(violation: "Violation") -> Iterator[tuple[str, int | str | None]]:
    """Yields the field names of the path, each with the index or key of the wrong element, if any."""
    field = violation.proto.field
    for element in field.elements if field else ():
        subscript: Any = element.subscript
        yield element.field_name, None if subscript is None else subscript.value


def _path_element(field: str, at: int | str | None) -> str:
    if at is None:
        return field
    return f"{field}[{at}]" if isinstance(at, int) else f"{field}[{orjson.dumps(at).decode()}]"


def _description(violation: "Violation", request: Message) -> str:
    text = _DESCRIPTIONS.get(violation.proto.rule_id, violation.proto.message)
    if violation.proto.for_key:
        return _A_LABEL_KEY
    if text == _ONE_OF:
        return text.format(names=_enum_names(violation, request))
    if text == _A_RANGE:
        return text.format(range=range_in_words(violation.proto.message))
    return text.format(limit=violation.rule_value) if "{limit" in text else text


def _enum_names(violation: "Violation", request: Message) -> str:
    field: Any = None
    message: Any = request.DESCRIPTOR
    for name, _ in _elements(violation):
        field = message.fields_by_name[name]
        message = field.message_type
    return ", ".join(value.name for value in field.enum_type.values if value.number)


def _one_of_items_and_upload(request: Message) -> str:
    # The only rule of a whole message, which names no field: either items or upload.
    if getattr(request, "items", ()):
        return "must be empty where upload is set; send the items with AppendItems"
    return "must hold at least one item, unless upload is set"
