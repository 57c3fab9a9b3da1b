"""Params of requests, which all kinds that call a model have in common."""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headrace.kinds._requests.extra_body import check_extra_body, check_json
from headrace.kinds._requests.extra_headers import MAX_HEADER_COUNT, check_extra_headers
from headrace.kinds._requests.sizes import HasAtMost
from headrace.kinds.request_options import RequestOptions

_MAX_STOP_COUNT = 16
_MAX_STOP_LENGTH = 1_000
_MAX_BODY_FIELDS = 10_000
_WORD = r"^[A-Za-z0-9_.-]{1,64}$"
# Params that are fields of the request, under the same names.
_FIELDS = (
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "reasoning_effort",
    "service_tier",
    "response_format",
)
_NAMED = frozenset({*_FIELDS, "temperature"})


class RequestParams(BaseModel):
    """Base of the params of a kind that calls a model. The names are those of the openai library.

    A provider that does not know an option refuses it, or ignores it.

    Attributes:
        temperature: Temperature, as the provider defines it. None: not sent.
        top_p: Share of the most likely tokens that are chosen from. None: not sent.
        frequency_penalty: Penalty for frequent tokens. None: not sent.
        presence_penalty: Penalty for tokens that occurred. None: not sent.
        stop: Texts that end the answer. None: not sent.
        seed: Seed of the provider's random numbers. None: not sent.
        reasoning_effort: Amount of thinking, by the provider's name. None: not sent.
        service_tier: Service tier, by the provider's name. None: not sent.
        response_format: Form of the answer. None: not sent.
        max_tokens_field: Name of the field for max_output_tokens. None: by the profile.
        system_role: Role of system messages. None: by the profile.
        extra_body: Further fields of the request.
        extra_headers: Further headers of the request.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="Temperature, as the provider defines it. Some models refuse any. Default: not sent.",
    )
    top_p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the most likely tokens that are chosen from. Default: not sent.",
    )
    frequency_penalty: float | None = Field(
        default=None,
        ge=-2,
        le=2,
        allow_inf_nan=False,
        description="Penalty for frequent tokens. Default: not sent.",
    )
    presence_penalty: float | None = Field(
        default=None,
        ge=-2,
        le=2,
        allow_inf_nan=False,
        description="Penalty for tokens that occurred before. Default: not sent.",
    )
    stop: str | list[str] | None = Field(
        default=None, description="Text that ends the answer, or up to 16 of them. Default: not sent."
    )
    seed: int | None = Field(
        default=None,
        ge=-(2**63),
        lt=2**63,
        description="Seed of the provider's random numbers. Default: not sent.",
    )
    reasoning_effort: str | None = Field(
        default=None, pattern=_WORD, description="Amount of thinking, such as low. Default: not sent."
    )
    service_tier: str | None = Field(
        default=None,
        pattern=_WORD,
        description="Service tier, such as flex or priority. It decides the price. Default: not sent.",
    )
    response_format: dict[str, Any] | None = Field(
        default=None, description='Form of the answer, such as {"type": "json_object"}. Default: not sent.'
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None,
        description="Name of the field for max_output_tokens. Default: by the provider's profile.",
    )
    system_role: Literal["system", "developer", "none"] | None = Field(
        default=None,
        description=(
            "Role of system messages, or none to put them at the head of the user's message. "
            "Default: by the provider's profile."
        ),
    )
    extra_body: Annotated[dict[str, Any], HasAtMost(_MAX_BODY_FIELDS)] | None = Field(
        default=None, description="Further fields of the request, up to 64 KB, sent as they are."
    )
    extra_headers: Annotated[dict[str, str], HasAtMost(MAX_HEADER_COUNT)] | None = Field(
        default=None, description="Up to 32 further headers of the request. Keys and tokens are refused."
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _are_texts(cls, value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        are_valid = all(isinstance(text, str) and 0 < len(text) <= _MAX_STOP_LENGTH for text in texts)
        if value is not None and not (are_valid and 0 < len(texts) <= _MAX_STOP_COUNT):
            raise ValueError(
                f"must be text of 1 to {_MAX_STOP_LENGTH:,} characters, or a list of 1 to {_MAX_STOP_COUNT}"
            )
        return value

    @field_validator("response_format")
    @classmethod
    def _can_be_sent(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        check_json(value)
        if value is not None and not isinstance(value.get("type"), str):
            raise ValueError('must have a "type", such as json_object')
        return value

    @field_validator("extra_body")
    @classmethod
    def _leave_answers_readable(cls, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        check_extra_body(fields or {}, _NAMED)
        return fields

    @field_validator("extra_headers")
    @classmethod
    def _carry_no_secrets(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        check_extra_headers(headers or {})
        return headers

    @cached_property
    def request_options(self) -> RequestOptions | None:
        """Options of the job's calls. None if there are none."""
        options = self.make_request_options()
        return None if options == RequestOptions() else options

    def make_request_options(self, **others: Any) -> RequestOptions:
        """Returns the options of the job's calls, with further attributes of them."""
        named = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        return RequestOptions(
            fields={**(self.extra_body or {}), **named},
            headers=self.extra_headers or {},
            max_tokens_field=self.max_tokens_field,
            system_role=self.system_role,
            **others,
        )
