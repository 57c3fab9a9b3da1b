"""Encodes requests in the form that a profile and the options of a job describe."""

from typing import Any
from weakref import WeakKeyDictionary

import orjson

from headrace.kinds import ItemFailedError, RequestOptions
from headrace.reasons import ErrorReason
from services.worker.calls.provider.profiles import Profile, RequestShape
from services.worker.calls.provider.provider import CompletionRequest

_MAX_FORMS = 1024
_MAX_FORMS_OF_OPTIONS = 16  # a schema of 1,000 labels can have half a megabyte


class RequestEncoder:
    """Encodes requests to one provider. The part that items have in common is encoded once.

    The parts of a job with options are kept while the job's options are in use.

    Args:
        profile: Profile of the provider.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._parts = _Parts(_MAX_FORMS)
        self._parts_by_options: WeakKeyDictionary[RequestOptions, _Parts] = WeakKeyDictionary()
        self._refused_schemas: set[tuple[str, str]] = set()

    def has_schema(self, request: CompletionRequest) -> bool:
        """Returns whether the body of a request has the answer_schema of its options."""
        model, options = request.model, request.options
        if options is None or options.answer_schema is None:
            return False
        if self._refused_schemas and (model, options.digest) in self._refused_schemas:
            return False
        known = self._parts_of(options).sends_schema
        if model not in known:
            _make_room(known, _MAX_FORMS)
            known[model] = self._profile.shape_of(model).sends_schema(options)
        return known[model]

    def leave_out_schema(self, request: CompletionRequest) -> None:
        """Leaves the answer_schema out of all further requests of this model and these options."""
        if request.options is not None:
            if len(self._refused_schemas) >= _MAX_FORMS:
                self._refused_schemas.clear()
            self._refused_schemas.add((request.model, request.options.digest))

    def shape_of(self, request: CompletionRequest) -> RequestShape:
        """Returns the form of a request."""
        return self._encode_fixed_part(request)[1]

    def encode(self, request: CompletionRequest) -> bytes:
        """Returns the body of a request.

        Raises:
            ItemFailedError: PROVIDER_REFUSED_INPUT. A text is not valid Unicode.
        """
        try:
            fixed, shape = self._encode_fixed_part(request)
            return fixed + orjson.dumps(shape.encode_messages(request.messages)) + b"}"
        except orjson.JSONEncodeError:
            raise ItemFailedError(
                ErrorReason.PROVIDER_REFUSED_INPUT, "the text is not valid Unicode"
            ) from None

    def _encode_fixed_part(self, request: CompletionRequest) -> tuple[bytes, RequestShape]:
        options, has_schema = request.options, self.has_schema(request)
        parts = self._parts if options is None else self._parts_of(options)
        key = (request.model, request.temperature, request.max_output_tokens, has_schema)
        part = parts.encoded.get(key)
        if part is None:
            shape = self._profile.shape_of(request.model)
            if options is not None:
                shape = shape.with_options(options, has_schema=has_schema)
            fields = shape.encode_fields(request.model, request.temperature, request.max_output_tokens)
            _make_room(parts.encoded, parts.limit)
            part = parts.encoded[key] = (orjson.dumps(fields)[:-1] + b',"messages":', shape)
        return part

    def _parts_of(self, options: RequestOptions) -> "_Parts":
        parts = self._parts_by_options.get(options)
        if parts is None:
            parts = self._parts_by_options[options] = _Parts(_MAX_FORMS_OF_OPTIONS)
        return parts


class _Parts:
    """Parts of requests that are encoded once: those of one job's options, or of all jobs without options.

    Args:
        limit: Maximum number of encoded parts.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.sends_schema: dict[str, bool] = {}
        self.encoded: dict[tuple[str, float | None, int | None, bool], tuple[bytes, RequestShape]] = {}


def _make_room(entries: dict[Any, Any], limit: int) -> None:
    """Forgets everything once the limit is reached: clients name models, so it may never come again."""
    if len(entries) >= limit:
        entries.clear()
