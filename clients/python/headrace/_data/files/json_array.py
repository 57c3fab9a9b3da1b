"""Reads the elements of a JSON array of any size, one after another."""

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from headrace._data.faults import invalid_data
from headrace._data.limits import MAX_ITEM_BYTES
from headrace.errors import InvalidArgumentError

_READ_BYTES = 256 * 1024
_SPACE = " \t\r\n"
# An element and white space before it. Longer text without an end is too long or broken.
_MAX_AHEAD = 2 * MAX_ITEM_BYTES


class JsonArray:
    """The text of a JSON array, read in pieces.

    Args:
        begin: Text of the file that was read already. It begins with ``[``, after white space.
        rest: The rest of the file.
        name: Name of the file, for errors.
    """

    def __init__(self, begin: bytes, rest: BinaryIO, name: str) -> None:
        self._rest = rest
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._is_at_end = False
        self._number = 1
        self._text = self._decoded(begin)
        self._place = self._text.index("[") + 1

    def elements(self) -> Iterator[str]:
        """Yields the JSON text of each element unchanged.

        Raises:
            InvalidArgumentError: The file is not one JSON array. The message has the number of the
                element, from 1.
        """
        if self._next_character() == "]":
            self._place += 1
            return self._check_end()
        while True:
            yield self._element()
            match self._next_character():
                case ",":
                    self._place += 1
                case "]":
                    self._place += 1
                    return self._check_end()
                case "":
                    raise self._error(f"ends after element {self._number}, without the ] of its array")
                case _:
                    raise self._error(f"needs a comma after element {self._number}")
            self._number += 1

    def _element(self) -> str:
        self._next_character()
        decoder = json.JSONDecoder()
        while True:
            try:
                _, end = decoder.raw_decode(self._text, self._place)
            except RecursionError:
                raise self._error(f"element {self._number} is nested too deeply") from None
            except ValueError as error:
                if self._is_at_end or len(self._text) - self._place > _MAX_AHEAD:
                    raise self._error(f"element {self._number} is not JSON: {_reason(error)}") from None
            else:
                if end < len(self._text) or self._is_at_end:  # else a number may continue
                    element = self._text[self._place : end]
                    self._place = end
                    return element
            self._read_on()

    def _next_character(self) -> str:
        """Moves to the next character that is not white space, and returns it; empty at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in _SPACE:
                    return self._text[self._place]
                self._place += 1
            if self._is_at_end:
                return ""
            self._read_on()

    def _check_end(self) -> None:
        if self._next_character():
            raise self._error("has text after the ] of its array: write JSON lines, or one array")

    def _read_on(self) -> None:
        piece = self._rest.read(_READ_BYTES)
        self._is_at_end = not piece
        self._text = self._text[self._place :] + self._decoded(piece)
        self._place = 0

    def _decoded(self, piece: bytes) -> str:
        try:
            return self._decode(piece, final=not piece)
        except UnicodeDecodeError:
            raise self._error(f"is not UTF-8, near element {self._number}") from None

    def _error(self, problem: str) -> InvalidArgumentError:
        return invalid_data(f"{self._name} {problem}")


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "it has a number that is too long"
