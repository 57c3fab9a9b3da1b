"""Reading the bodies of messages so that none of them can stop a consumer."""

import dataclasses
from typing import Any

import dramatiq
from dramatiq import DecodeError
from dramatiq.encoder import JSONEncoder, MessageData

# What a body that is no message of Dramatiq is read as: a task of this name, which nobody has. A DecodeError
# would be logged by Dramatiq with the body in it, and would end the consumer of the broker in memory.
NO_MESSAGE = "(no message)"

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
    """Dramatiq's JSON; a body that is no message comes out as one that names no task."""

    def decode(self, data: bytes) -> MessageData:
        """Returns the fields of a message. It never raises."""
        try:
            fields = super().decode(data)
        except (DecodeError, ValueError, RecursionError):  # a number may have too many digits
            return _no_message()
        return fields if _is_message(fields) else _no_message()


def _is_message(fields: Any) -> bool:
    return (
        isinstance(fields, dict)
        and set(fields) <= _NAMES
        and all(type(fields.get(name)) is expected for name, expected in _TYPES.items())
    )


def _no_message() -> MessageData:
    return {"queue_name": "", "actor_name": NO_MESSAGE, "args": [], "kwargs": {}, "options": {}}
