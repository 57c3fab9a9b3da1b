"""Makes requests that no client would send: the same ones for the same seed."""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# Values of strings by the names of their fields, for requests that get past the first check.
_LIKELY = {
    "kind": ["noop", "llm.classify", "llm.complete"],
    "params": [
        "",
        "{}",
        '{"sleep_ms": 1}',
        '{"labels": ["a", "b"], "template": "{a}"}',
        '{"prompt": "{a}{a}"}',
    ],
    "items": ["1", '{"a": "x"}', "null", '{"a": [1, {}]}'],
    "tenant": ["default", "other"],
    "call_id": ["1"],
    "incarnation": [JOB_ID],
    "address": ["127.0.0.1:9"],
    "output": ['{"a": 1}'],
    "trace_id": ["0" * 32],
}
_STRANGE = [
    "",
    "\0",
    "\x1b]0;x\x07",
    "\ufeff",
    "\u202e",
    "'; DROP TABLE jobs; --",
    "%00%s%n",
    "{{}}{",
    "9" * 400,
    "1e400",
    "NaN",
    "[" * 300 + "]" * 300,
    "[" * 5_000,
    '{"a":' * 2_000,
    '{"a": 1, "a": 2}',
    '"\\ud800"',
    '"\\u0000"',
    "é" * 200,
    "x" * 5_000,
    "\U0001f642" * 40,
    "{a}" * 3_000,
    JOB_ID.upper(),
    JOB_ID.replace("-", ""),
    f"{JOB_ID}\n",
    "W10",
    "WyJwYWdlIl0",
    "//" * 2_000,
]
_INTEGERS = [0, 1, -1, 2, 7, 100, 2**31 - 1, -(2**31), 2**31, 2**32, 10**12, 2**53, 2**63 - 1, -(2**63)]
_DOUBLES = [0.0, -0.0, 0.5, 1.0, -1.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")]
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}
_MAX_DEPTH = 5
_MAX_BYTES = 200_000

Random = random.Random


class RequestMaker:
    """Makes requests of one kind of message after another.

    Args:
        seed: Seed of all choices.
        job_ids: Ids of jobs that exist, which some requests name.
    """

    def __init__(self, seed: int, job_ids: Sequence[str] = ()) -> None:
        self._random = Random(seed)
        self.job_ids = [JOB_ID, *job_ids]

    def requests(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yields requests of a type without an end: right, extreme, mutated and random ones."""
        makers: list[Callable[[Descriptor], bytes]] = [
            lambda kind: self._message(kind, strangeness=0.02).SerializeToString(),
            lambda kind: self._message(kind, strangeness=0.02).SerializeToString(),
            lambda kind: self._message(kind, strangeness=0.2).SerializeToString(),
            lambda kind: self._message(kind, strangeness=0.6).SerializeToString(),
            self._mutated,
            self._mutated,
            lambda _: self._random.randbytes(self._random.choice([0, 1, 2, 7, 50, 1_000])),
            lambda _: self._random_fields(),
        ]
        while True:
            yield self._random.choice(makers)(descriptor)[:_MAX_BYTES]

    def _message(self, descriptor: Descriptor, strangeness: float, depth: int = 0) -> Message:
        message = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._random.random() < 0.3 or (field.message_type and depth >= _MAX_DEPTH):
                continue
            if _is_map(field):
                self._fill(getattr(message, field.name), field.message_type, strangeness)
                continue
            values = [self._value(field, strangeness, depth) for _ in range(self._length(field, strangeness))]
            if field.is_repeated:
                getattr(message, field.name).extend(values)
            elif field.message_type:
                getattr(message, field.name).CopyFrom(values[0])
            else:
                setattr(message, field.name, values[0])
        return message

    def _length(self, field: FieldDescriptor, strangeness: float) -> int:
        if not field.is_repeated:
            return 1
        is_long = self._random.random() < strangeness * 0.1 and not field.message_type
        return self._random.choice([30, 1_500]) if is_long else self._random.randint(0, 3)

    def _fill(self, pairs: Any, entry: Descriptor, strangeness: float) -> None:
        """Adds some pairs to a map of texts. A strange text that no map can hold is left out."""
        for number in range(self._random.randint(0, 3)):
            key, value = (
                self._text(field.name, self._random.random() < strangeness) for field in entry.fields
            )
            with suppress(ValueError):
                pairs[f"{key}{number}"] = value

    def _value(self, field: FieldDescriptor, strangeness: float, depth: int) -> Any:
        if field.message_type:
            return self._message(field.message_type, strangeness, depth + 1)
        is_strange = self._random.random() < strangeness
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                text = self._text(field.name, is_strange)
                return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()[:64]
            case FieldDescriptor.CPPTYPE_BOOL:
                return self._random.random() < 0.5
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self._random.choice(_DOUBLES) if is_strange else self._random.random()
            case FieldDescriptor.CPPTYPE_ENUM if not is_strange:
                return self._random.choice([value.number for value in field.enum_type.values])
        low, high = _RANGES[field.cpp_type]
        number = self._random.choice(_INTEGERS) if is_strange else self._random.randint(0, 20)
        return min(max(number, low), high)

    def _text(self, name: str, is_strange: bool) -> str:
        if is_strange:
            return self._random.choice(_STRANGE)
        if "job_id" in name:
            return self._random.choice(self.job_ids)
        return self._random.choice(_LIKELY.get(name, ["", "a", "text"]))

    def _mutated(self, descriptor: Descriptor) -> bytes:
        """Returns a right request with some of its bytes changed, doubled or missing."""
        data = bytearray(self._message(descriptor, strangeness=0.05).SerializeToString())
        for _ in range(self._random.randint(1, 4)):
            place = self._random.randrange(len(data) + 1)
            match self._random.randrange(4):
                case 0 if data:
                    data[min(place, len(data) - 1)] = self._random.randrange(256)
                case 1:
                    del data[place : place + self._random.randint(1, 5)]
                case 2:
                    data[place:place] = data[place : place + self._random.randint(1, 40)]
                case _:
                    data[place:place] = self._random.randbytes(self._random.randint(1, 3))
        return bytes(data)

    def _random_fields(self) -> bytes:
        """Returns well-formed fields of random numbers, types and values."""
        data = b""
        for _ in range(self._random.randint(1, 12)):
            wire_type = self._random.choice([0, 1, 2, 5])
            data += _varint(self._random.choice([*range(1, 12), 5_000, 2**29 - 1]) << 3 | wire_type)
            match wire_type:
                case 0:
                    data += _varint(self._random.choice(_INTEGERS) % 2**64)
                case 1:
                    data += struct.pack("<d", self._random.choice(_DOUBLES))
                case 5:
                    data += self._random.randbytes(4)
                case _:
                    text = self._random.choice([self._text("", True).encode(), self._random.randbytes(20)])
                    data += _varint(len(text)) + text
        return data


def _varint(number: int) -> bytes:
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
