"""Reads the keys of a mapping from a YAML file, with errors that name each key."""

from collections.abc import Collection, Mapping
from typing import Any


class Fields:
    """One mapping of a file.

    Args:
        place: Place of the mapping, for error messages, such as ``profile openai, key request``. A key is
            appended with a dot.
        value: The mapping, of any type until it is checked here. None counts as empty.
        known: Keys that it can have. None for any.

    Raises:
        ValueError: The value is not a mapping of text, or it has an unknown key.
    """

    def __init__(self, place: str, value: Any, known: Collection[str] | None = None) -> None:
        self._place = place
        if not isinstance(value, dict | None):
            raise ValueError(f"{place} must be a mapping")
        self._values: dict[str, Any] = value or {}
        for key in self._values:
            if not isinstance(key, str):
                raise ValueError(f"{place} has the key {key!r}, which is not text; quote it")
            if known is not None and key not in known:
                raise ValueError(f"{self.place(key)} is unknown; the keys are {', '.join(known)}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def keys(self) -> list[str]:
        """Keys of the mapping, in the order of the file."""
        return list(self._values)

    def place(self, key: str) -> str:
        """Returns the place of a key, for an error message."""
        return f"{self._place}.{key}" if ", key " in self._place else f"{self._place}, key {key}"

    def fail(self, key: str, must: str) -> ValueError:
        """Returns the error of a key, such as ``must be true or false``."""
        return ValueError(f"{self.place(key)} {must}")

    def raw(self, key: str) -> Any:
        """Returns the value of a key as it is. None if it is absent."""
        return self._values.get(key)

    def rows(self, key: str) -> list[Any]:
        """Returns the entries of a list. Empty if it is absent."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(key, "must be a list")
        return value

    def words(self, key: str) -> list[str]:
        """Returns one text, or a list of them. Numbers count as text. Empty if it is absent."""
        value = self._values.get(key)
        words = value if isinstance(value, list) else [] if value is None else [value]
        if key in self and not words:
            raise self.fail(key, "must not be empty")
        for word in words:
            if not isinstance(word, str | int) or isinstance(word, bool) or word == "":
                raise self.fail(
                    key, "must be text, a number or a list of them; quote words such as yes and no"
                )
        return [str(word) for word in words]

    def choice(self, key: str, choices: Collection[str]) -> str:
        """Returns a text that is one of the choices."""
        value = self._values.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(key, f"must be one of {', '.join(choices)}")
        return value

    def flag(self, key: str) -> bool:
        """Returns a value that is true or false."""
        value = self._values.get(key)
        if not isinstance(value, bool):
            raise self.fail(key, "must be true or false")
        return value

    def texts(self, key: str) -> Mapping[str, str]:
        """Returns a mapping from text to text. Empty if it is absent."""
        inner = Fields(self.place(key), self._values.get(key))
        for name in inner.keys:
            if not isinstance(inner.raw(name), str) or set("\r\n") & {*name, *inner.raw(name)}:
                raise inner.fail(name, "must be text on one line; quote numbers")
        return {name: inner.raw(name) for name in inner.keys}
