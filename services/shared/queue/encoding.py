"""Decodes the bodies of messages so that no body can stop a consumer."""

import dataclasses
from typing import Any

import dramatiq
from dramatiq import DecodeError
from dramatiq.encoder import JSONEncoder, MessageData

# Actor name given to a body that is not a Dramatiq message. No actor has it. Dramatiq would log a DecodeError
# together with the body, and it would end the consumer of the broker in memory.
NOT_A_MESSAGE = "(not a message)"

_TYPES: dict[str, type] = {
    "queue_name": str,
    "actor_name": str,
    "args": list,
    "kwargs": dict,
    "options": dict,
    "message_id": str,
    "message_timestamp": int,
}
_NAMES = {field.name for field in dataclasses.fields(dramatiq.Message)}


class TaskEncoder(JSONEncoder):
    """Dramatiq's JSON encoding. A body that is not a message decodes to a message for no actor."""

    def decode(self, data: bytes) -> MessageData:
        """Returns the fields of a message. It never raises an error."""
        try:
            fields = super().decode(data)
        except (DecodeError, ValueError, RecursionError):  # a number with too many digits is a ValueError
            return _not_a_message()
        return fields if _is_message(fields) else _not_a_message()


def _is_message(fields: Any) -> bool:
    return (
        isinstance(fields, dict)
        and set(fields) <= _NAMES
        and all(type(fields.get(name)) is expected for name, expected in _TYPES.items())
    )


def _not_a_message() -> MessageData:
    return {"queue_name": "", "actor_name": NOT_A_MESSAGE, "args": [], "kwargs": {}, "options": {}}
