"""Encodes requests in the form that a profile describes."""

from functools import lru_cache

import orjson

from headrace.kinds import ItemFailedError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.profiles import Profile, RequestShape
from services.worker.calls.provider.provider import CompletionRequest


class RequestEncoder:
    """Encodes requests to one provider. The part that items have in common is encoded once.

    Args:
        profile: Profile of the provider.
    """

    def __init__(self, profile: Profile) -> None:
        @lru_cache(maxsize=1024)
        def encode_fixed_part(
            model: str, temperature: float | None, max_output_tokens: int | None
        ) -> tuple[bytes, RequestShape]:
            shape = profile.shape_of(model)
            fields = shape.encode_fields(model, temperature, max_output_tokens)
            return orjson.dumps(fields)[:-1] + b',"messages":', shape

        self._encode_fixed_part = encode_fixed_part

    def encode(self, request: CompletionRequest) -> bytes:
        """Returns the body of a request.

        Raises:
            ItemFailedError: PROVIDER_REFUSED_INPUT. A text is not valid Unicode.
        """
        try:
            fixed, shape = self._encode_fixed_part(
                request.model, request.temperature, request.max_output_tokens
            )
            return fixed + orjson.dumps(shape.encode_messages(request.messages)) + b"}"
        except orjson.JSONEncodeError:
            raise ItemFailedError(
                ErrorReason.PROVIDER_REFUSED_INPUT, "the text is not valid Unicode"
            ) from None
