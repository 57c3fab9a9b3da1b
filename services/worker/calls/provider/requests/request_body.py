"""Encodes requests in the form that a profile and the options of a job describe."""

from functools import lru_cache

import orjson

from headrace.kinds import ItemFailedError, RequestOptions
from headrace.reasons import ErrorReason
from services.worker.calls.provider.profiles import Profile, RequestShape
from services.worker.calls.provider.provider import CompletionRequest

_MAX_FORMS = 1024


class RequestEncoder:
    """Encodes requests to one provider. The part that items have in common is encoded once.

    Args:
        profile: Profile of the provider.
    """

    def __init__(self, profile: Profile) -> None:
        self._refused_schemas: set[tuple[str, RequestOptions]] = set()

        @lru_cache(maxsize=_MAX_FORMS)
        def sends_schema(model: str, options: RequestOptions) -> bool:
            return profile.shape_of(model).sends_schema(options)

        @lru_cache(maxsize=_MAX_FORMS)
        def shape_of(model: str, options: RequestOptions | None, has_schema: bool) -> RequestShape:
            shape = profile.shape_of(model)
            return shape if options is None else shape.with_options(options, has_schema=has_schema)

        @lru_cache(maxsize=_MAX_FORMS)
        def encode_fixed_part(
            model: str,
            temperature: float | None,
            max_output_tokens: int | None,
            options: RequestOptions | None,
            has_schema: bool,
        ) -> tuple[bytes, RequestShape]:
            shape = shape_of(model, options, has_schema)
            fields = shape.encode_fields(model, temperature, max_output_tokens)
            return orjson.dumps(fields)[:-1] + b',"messages":', shape

        self._sends_schema = sends_schema
        self._shape_of = shape_of
        self._encode_fixed_part = encode_fixed_part

    def has_schema(self, request: CompletionRequest) -> bool:
        """Returns whether the body of a request has the answer_schema of its options."""
        options = request.options
        if options is None or options.answer_schema is None:
            return False
        if self._refused_schemas and (request.model, options) in self._refused_schemas:
            return False
        return self._sends_schema(request.model, options)

    def leave_out_schema(self, request: CompletionRequest) -> None:
        """Leaves the answer_schema out of all further requests of this model and these options."""
        if request.options is not None:
            if len(self._refused_schemas) >= _MAX_FORMS:
                self._refused_schemas.clear()
            self._refused_schemas.add((request.model, request.options))

    def shape_of(self, request: CompletionRequest) -> RequestShape:
        """Returns the form of a request."""
        return self._shape_of(request.model, request.options, self.has_schema(request))

    def encode(self, request: CompletionRequest) -> bytes:
        """Returns the body of a request.

        Raises:
            ItemFailedError: PROVIDER_REFUSED_INPUT. A text is not valid Unicode.
        """
        try:
            fixed, shape = self._encode_fixed_part(
                request.model,
                request.temperature,
                request.max_output_tokens,
                request.options,
                self.has_schema(request),
            )
            return fixed + orjson.dumps(shape.encode_messages(request.messages)) + b"}"
        except orjson.JSONEncodeError:
            raise ItemFailedError(
                ErrorReason.PROVIDER_REFUSED_INPUT, "the text is not valid Unicode"
            ) from None
