"""Frames of messages on a byte stream: each is preceded by its length in four bytes."""

import asyncio
from typing import TypeVar

from google.protobuf.message import Message

_LENGTH_BYTES = 4

M = TypeVar("M", bound=Message)


def write_frame(writer: asyncio.StreamWriter, message: Message) -> None:
    """Writes a message to a writer's buffer."""
    content = message.SerializeToString()
    writer.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)


async def read_frame(reader: asyncio.StreamReader, message_type: type[M]) -> M:
    """Returns the next message.

    Raises:
        asyncio.IncompleteReadError: The stream has ended.
        ConnectionError: The connection broke.
        google.protobuf.message.DecodeError: The frame does not hold such a message.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
    return message_type.FromString(await reader.readexactly(length))
