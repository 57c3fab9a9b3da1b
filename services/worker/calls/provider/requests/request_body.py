"""Encodes requests in the form that a profile and the options of a job describe."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import orjson

from headrace.kinds import ItemFailedError, Message, RequestOptions
from headrace.reasons import ErrorReason
from services.worker.calls.provider.profiles import Profile, RequestShape
from services.worker.calls.provider.provider import CompletionRequest

_MAX_PARTS = 1024
_MAX_PARTS_OF_OPTIONS = 16  # a schema of 1,000 labels can have half a megabyte


class FixedPart(NamedTuple):
    """The part of requests that the items of a job have in common.

    Attributes:
        start: The body up to the messages.
        shape: Form of the requests.
        has_schema: Whether the body has the answer_schema of the options.
    """

    start: bytes
    shape: RequestShape
    has_schema: bool

    def encode(self, messages: Sequence[Message]) -> bytes:
        """Returns the body of a request.

        Raises:
            ItemFailedError: PROVIDER_REFUSED_INPUT. A text is not valid Unicode.
        """
        return self.start + _to_json(self.shape.encode_messages(messages)) + b"}"


class RequestEncoder:
    """Encodes requests to one provider. The part that items have in common is encoded once.

    The parts of a job with options are kept while the job's options are in use.

    Args:
        profile: Profile of the provider.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._parts: _Parts = {}
        self._parts_by_options: WeakKeyDictionary[RequestOptions, _Parts] = WeakKeyDictionary()
        self._refused_schemas: set[tuple[str, str]] = set()

    def encode(self, request: CompletionRequest) -> bytes:
        """Returns the body of a request. See ``FixedPart``."""
        return self.fixed_part(request).encode(request.messages)

    def fixed_part(self, request: CompletionRequest) -> FixedPart:
        """Returns the part that a request has in common with others.

        Raises:
            ItemFailedError: PROVIDER_REFUSED_INPUT. The name of the model is not valid Unicode.
        """
        options = request.options
        parts = self._parts if options is None else self._parts_by_options.get(options)
        if parts is None and options is not None:
            parts = self._parts_by_options[options] = {}
        assert parts is not None
        key = (request.model, request.temperature, request.max_output_tokens)
        part = parts.get(key)
        if part is None:
            if len(parts) >= (_MAX_PARTS if options is None else _MAX_PARTS_OF_OPTIONS):
                parts.clear()  # kinds choose models and limits, so these may never come again
            part = parts[key] = self._encode_fixed_part(request)
        return part

    def leave_out_schema(self, request: CompletionRequest) -> None:
        """Leaves the answer_schema out of all further requests of this model and these options."""
        if request.options is not None:
            if len(self._refused_schemas) >= _MAX_PARTS:
                self._refused_schemas.clear()
            self._refused_schemas.add((request.model, request.options.digest))
            self._parts_by_options.pop(request.options, None)

    def _encode_fixed_part(self, request: CompletionRequest) -> FixedPart:
        shape, has_schema = self._profile.shape_of(request.model), False
        if request.options is not None:
            has_schema = (
                shape.sends_schema(request.options)
                and (request.model, request.options.digest) not in self._refused_schemas
            )
            shape = shape.with_options(request.options, has_schema=has_schema)
        fields = shape.encode_fields(request.model, request.temperature, request.max_output_tokens)
        return FixedPart(_to_json(fields)[:-1] + b',"messages":', shape, has_schema)


_Parts = dict[tuple[str, float | None, int | None], FixedPart]


def _to_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise ItemFailedError(ErrorReason.PROVIDER_REFUSED_INPUT, "the text is not valid Unicode") from None
