"""The items that one request carries, with their keys."""

from collections.abc import Iterable

from headrace._data.item_keys import KeyedItem
from headrace._messages.json_text import JsonText
from headrace._submitting.item_reading import EncodedItem
from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.reasons import ErrorReason


class GatheredItems:
    """Encoded items of a job, from its first on. Their keys are compared as they come.

    Attributes:
        items: JSON text of each item, with its key if it has one.
    """

    def __init__(self) -> None:
        self.items: list[JsonText | KeyedItem] = []
        self._positions: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: EncodedItem) -> None:
        """Adds the next item.

        Raises:
            InvalidArgumentError: An item before it has its key (ITEM_KEY_TAKEN).
        """
        text, index = JsonText(item.text), len(self.items)
        if not item.key:
            self.items.append(text)
            return
        first = self._positions.setdefault(item.key, index)
        if first != index:
            raise _key_taken(item.key, first, index)
        self.items.append(KeyedItem(text, item.key))

    def texts(self) -> Iterable[JsonText]:
        """Returns the JSON text of each item."""
        return (item.value if isinstance(item, KeyedItem) else item for item in self.items)

    def put_into(self, request: gateway_pb2.SubmitJobRequest) -> None:
        """Adds the items to a request."""
        request.items.extend(self.texts())
        if self._positions:
            request.item_keys.extend(item.key if isinstance(item, KeyedItem) else "" for item in self.items)


def _key_taken(key: str, first: int, second: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"item_keys: {key!r} is the key of items {first} and {second}; keys must be unique in the job",
        reason=ErrorReason.ITEM_KEY_TAKEN,
    )
