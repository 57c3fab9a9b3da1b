"""Reads one profile from a profile file, before it is combined with others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.worker.calls.provider.profiles.fields import Fields
from services.worker.calls.provider.profiles.profile import Profile
from services.worker.calls.provider.profiles.request_shape import NO_SYSTEM_ROLE, RequestShape
from services.worker.calls.provider.profiles.rule_fields import read_rule
from services.worker.calls.provider.profiles.rules import Rule

_KEYS = ("hosts", "request", "models", "headers", "rules", "null_finish_reason")
_SHAPE_KEYS = ("max_tokens_field", "system_role", "extra_body", "structured_output")
_MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens")
_COMPLETE = "complete"
_NULL_MEANINGS = ("item_fails", _COMPLETE)
_SYSTEM_ROLES = ("system", "developer", NO_SYSTEM_ROLE)
# Fields that Headrace sets. A stream would not be readable, and one answer of several would be read.
_OWN_FIELDS = {"model", "messages", "n", "stream", "stream_options", *_MAX_TOKENS_FIELDS}
_OWN_HEADERS = {"authorization", "content-length", "content-type", "host"}

Shape = Mapping[str, Any]  # keys of a request shape, each of them optional


@dataclass(frozen=True, kw_only=True)
class PartialProfile:
    """A profile as one file describes it. Anything can be absent. See ``Profile``."""

    hosts: Sequence[str] = ()
    request: Shape = field(default_factory=dict)
    models: Mapping[str, Shape] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    null_finish_reason: str | None = None

    def over(self, base: "PartialProfile") -> "PartialProfile":
        """Returns the combination of both. This one comes first, and its values replace those of the base."""
        others = {pattern: shape for pattern, shape in base.models.items() if pattern not in self.models}
        return PartialProfile(
            hosts=[*self.hosts, *base.hosts],
            request={**base.request, **self.request},
            models={**self.models, **others},
            headers={**base.headers, **self.headers},
            rules=[*self.rules, *base.rules],
            null_finish_reason=self.null_finish_reason or base.null_finish_reason,
        )

    def build(self, name: str) -> Profile:
        """Returns the complete profile."""
        return Profile(
            name=name,
            hosts=self.hosts,
            rules=self.rules,
            shape=RequestShape(**self.request),
            model_shapes={
                pattern: RequestShape(**{**self.request, **shape}) for pattern, shape in self.models.items()
            },
            headers=self.headers,
            null_is_complete=self.null_finish_reason == _COMPLETE,
        )


def read_profile(place: str, value: Any) -> PartialProfile:
    """Returns one profile.

    Args:
        place: Place of the profile, for error messages.
        value: The profile as read from YAML.

    Raises:
        ValueError: It is not a valid profile. The message names the key.
    """
    fields = Fields(place, value, _KEYS)
    models = Fields(fields.place("models"), fields.raw("models"))
    return PartialProfile(
        hosts=[host.lower() for host in fields.words("hosts")],
        request=_read_shape(fields.place("request"), fields.raw("request")),
        models={
            pattern: _read_shape(models.place(pattern), models.raw(pattern), of_model=True)
            for pattern in models.keys
        },
        headers=_read_headers(fields),
        rules=[
            read_rule(f"{fields.place('rules')}[{number}]", rule)
            for number, rule in enumerate(fields.rows("rules"))
        ],
        null_finish_reason=_read_null_meaning(fields),
    )


def _read_null_meaning(fields: Fields) -> str | None:
    name = "null_finish_reason"
    return fields.choice(name, _NULL_MEANINGS) if name in fields else None


def _read_headers(fields: Fields) -> Mapping[str, str]:
    headers = fields.texts("headers")
    taken = next((name for name in headers if name.lower() in _OWN_HEADERS), None)
    if taken:
        raise fields.fail("headers", f"must not set {taken}, which Headrace sets")
    return headers


def _read_shape(place: str, value: Any, *, of_model: bool = False) -> Shape:
    fields = Fields(place, value, (*_SHAPE_KEYS, "headers") if of_model else _SHAPE_KEYS)
    shape: dict[str, Any] = {}
    for key, choices in (("max_tokens_field", _MAX_TOKENS_FIELDS), ("system_role", _SYSTEM_ROLES)):
        if key in fields:
            shape[key] = fields.choice(key, choices)
    if "headers" in fields:
        shape["headers"] = _read_headers(fields)
    if "structured_output" in fields:
        shape["structured_output"] = fields.flag("structured_output")
    if "extra_body" in fields:
        extra = Fields(fields.place("extra_body"), fields.raw("extra_body"))
        for name in extra.keys:
            _check_extra(extra, name)
        shape["extra_body"] = {name: extra.raw(name) for name in extra.keys}
    return shape


def _check_extra(extra: Fields, name: str) -> None:
    if name in _OWN_FIELDS and (name, extra.raw(name)) != ("n", 1):
        raise extra.fail(name, "must not be set here, because Headrace sets it")
    try:
        orjson.dumps(extra.raw(name), option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # a date, or a mapping with keys that are not text
        raise extra.fail(name, "must be a JSON value; quote dates and keys that are numbers") from None
