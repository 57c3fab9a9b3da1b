"""The kind ``llm.classify``: assigns each item one of the job's labels."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from headrace.kinds._labels.quoting import for_message, for_repair
from headrace.kinds.estimate import CallEstimate, estimate_tokens
from headrace.kinds.kind import Completion, ItemContext, ItemFailedError, JsonValue, Kind, Message
from headrace.kinds.labels import LabelFinder, check_labels
from headrace.kinds.request_options import RequestOptions
from headrace.kinds.request_params import RequestParams
from headrace.kinds.template import Template, parse_template
from headrace.reasons import ErrorReason

_INSTRUCTION = (
    "Classify the text of the user. Answer with exactly one of the labels below, as it is written there, "
    "and nothing else: no quotes, no explanation.\n\nLabels:\n"
)
_CORRECTION = (
    "That is not one of the labels. Answer again, with exactly one label of the list, copied as it is "
    "written there, and nothing else."
)
# Tokens of JSON around a label.
_JSON_TOKENS = 12


class LlmClassifyParams(RequestParams):
    """Params of ``llm.classify``.

    Attributes:
        labels: Labels to choose from, 1 to 1,000 different ones.
        template: Message of the user, with ``{field}`` for a field of the item.
        model: The provider's name of the model. None: the worker's default model.
        max_output_tokens: Maximum tokens of each answer. None: not sent.
        structured_output: Whether the provider must answer with one of the labels. None: if its profile says
            so.
    """

    labels: list[Annotated[str, StringConstraints(max_length=500)]] = Field(
        min_length=1, max_length=1000, description="Labels to choose from. Case makes no difference."
    )
    template: str = Field(
        max_length=100_000,
        description="Text to classify. {field} stands for that field of the item; {{ and }} are braces.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The provider's name of the model. Default: the worker's default model.",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description=(
            "Maximum tokens of each answer, thinking included. A longer one is cut off, and the label is "
            "looked for in the part that came. Default: not sent."
        ),
    )
    structured_output: bool | None = Field(
        default=None,
        description=(
            "Whether the provider is made to answer with one of the labels, by a JSON schema. "
            "Default: by the provider's profile."
        ),
    )

    @field_validator("labels")
    @classmethod
    def _can_be_told_apart(cls, labels: list[str]) -> list[str]:
        check_labels(labels)
        return labels

    @field_validator("template")
    @classmethod
    def _can_be_parsed(cls, template: str) -> str:
        parse_template(template)
        return template

    @model_validator(mode="after")
    def _has_one_response_format(self) -> Self:
        if self.structured_output and self.response_format is not None:
            raise ValueError("structured_output must not be set together with response_format; remove one")
        return self

    @cached_property
    def request_options(self) -> RequestOptions | None:
        """Options of the job's calls, with the schema of a label. None if there are none."""
        if self.structured_output is False or self.response_format is not None or not self._fits_json:
            return super().request_options
        return self.make_request_options(
            answer_schema=_schema_of(self.labels), structured_output=self.structured_output
        )

    @property
    def _fits_json(self) -> bool:
        """Whether nothing cuts off a label in JSON. A job that asks for structured output takes the risk."""
        limit = self.max_output_tokens
        has_room = limit is None or limit >= self.label_tokens + _JSON_TOKENS
        return bool(self.structured_output) or (has_room and self.stop is None)

    @cached_property
    def parsed_template(self) -> Template:
        """The template, parsed."""
        return parse_template(self.template)

    @cached_property
    def label_finder(self) -> LabelFinder:
        """Finds the labels in answers."""
        return LabelFinder(self.labels)

    @cached_property
    def instruction(self) -> Message:
        """The first message of every call of the job: equal bytes, so that a provider can cache it."""
        return Message("system", _INSTRUCTION + "\n".join(self.labels))

    @cached_property
    def instruction_tokens(self) -> int:
        """Estimated tokens of the instruction."""
        return estimate_tokens(self.instruction.content)

    @cached_property
    def label_tokens(self) -> int:
        """Estimated tokens of the longest label."""
        return max(estimate_tokens(label) for label in self.labels)


def _schema_of(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }


async def run_llm_classify(params: LlmClassifyParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns ``{"label": ...}`` with one of the labels, spelt as in the params.

    Makes one chat completion, and a second if the first answer chooses no label. The second repeats the first
    with that answer, without its reasoning and cut to 1,000 characters. With structured output the answer is
    ``{"label": ...}``, which the provider limits to the labels. Sends a temperature only if the job has one,
    because reasoning models refuse every one but their own. Sends a limit of output tokens only if the job
    has one: their thinking counts towards it. The same item always makes the same request.

    Raises:
        ItemFailedError: FIELD_MISSING (no call was made), or LABEL_UNKNOWN after the second answer. The
            message quotes both answers.
    """
    chat = [params.instruction, Message("user", params.parsed_template.render(item))]
    first = await _ask(params, chat, context)
    if label := params.label_finder.find(first.text):
        return {"label": label}
    chat += [Message("assistant", for_repair(first.text)), Message("user", _CORRECTION)]
    second = await _ask(params, chat, context)
    if label := params.label_finder.find(second.text):
        return {"label": label}
    raise ItemFailedError(
        ErrorReason.LABEL_UNKNOWN,
        f"both answers of the model match no label: {for_message(first.text)} and {for_message(second.text)}",
    )


async def _ask(params: LlmClassifyParams, chat: Sequence[Message], context: ItemContext) -> Completion:
    return await context.complete(
        chat,
        model=params.model,
        temperature=params.temperature,
        max_output_tokens=params.max_output_tokens,
        options=params.request_options,
    )


def estimate_llm_classify(params: LlmClassifyParams, item: JsonValue) -> Sequence[CallEstimate]:
    """Returns the single call of an item, with an answer of max_output_tokens, or a label without a limit.

    Without a limit, a model that thinks writes more.

    Raises:
        ItemFailedError: FIELD_MISSING: the item makes no call.
    """
    user_tokens = estimate_tokens(params.parsed_template.render(item))
    json_tokens = _JSON_TOKENS if params.structured_output else 0
    return [
        CallEstimate(
            model=params.model,
            input_tokens=params.instruction_tokens + user_tokens,
            output_tokens=params.max_output_tokens or params.label_tokens + json_tokens,
            service_tier=params.service_tier,
        )
    ]


LLM_CLASSIFY = Kind(
    name="llm.classify",
    description=(
        "Assigns each item one of the labels, by one chat completion. If the answer chooses none, it asks "
        'once more, then the item fails. Output: {"label": ...}.'
    ),
    params_model=LlmClassifyParams,
    run=run_llm_classify,
    estimate=estimate_llm_classify,
    templates=lambda params: {"template": params.parsed_template},
)
