"""Options of requests to a provider, beyond those that every kind has."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson


@dataclass(frozen=True, eq=False, kw_only=True)
class RequestOptions:
    """Options of the calls of a job. Make one for all of its calls: a request is encoded once for each.

    Two are equal if their contents are. The contents must not be changed later.

    Attributes:
        fields: Further fields of the request, JSON values, sent as they are. They replace those of the
            provider's profile.
        headers: Further headers. A header that the worker's settings or the profile set is not replaced.
        max_tokens_field: Name of the field that limits the output: ``max_tokens`` or
            ``max_completion_tokens``. None: by the profile.
        system_role: Role of system messages: ``system``, ``developer``, or ``none`` to merge them into the
            first user message. None: by the profile.
        answer_schema: JSON schema of the answer, for a provider with structured output. None for plain text.
        structured_output: Whether answer_schema is sent. None: if the profile says so, and without it after
            the provider has refused it.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    max_tokens_field: str | None = None
    system_role: str | None = None
    answer_schema: Mapping[str, Any] | None = None
    structured_output: bool | None = None

    @property
    def service_tier(self) -> str | None:
        """Service tier that the job asks for. None if it asks for none."""
        tier = self.fields.get("service_tier")
        return tier if isinstance(tier, str) else None

    @cached_property
    def key(self) -> bytes:
        """The contents as JSON, the same for equal ones."""
        parts = [
            self.fields,
            self.headers,
            self.max_tokens_field,
            self.system_role,
            self.answer_schema,
            self.structured_output,
        ]
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)

    @cached_property
    def digest(self) -> str:
        """A hash of the contents, to remember them without their size."""
        return hashlib.sha256(self.key).hexdigest()

    @cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, RequestOptions) and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash
