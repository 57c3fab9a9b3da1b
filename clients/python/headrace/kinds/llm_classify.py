"""The kind ``llm.classify``: assigns each item one of the job's labels."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from headrace.kinds._labels.quoting import for_message, for_repair
from headrace.kinds.estimate import CallEstimate, estimate_tokens
from headrace.kinds.kind import Completion, ItemContext, ItemFailedError, JsonValue, Kind, Message
from headrace.kinds.labels import LabelFinder, check_labels
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


class LlmClassifyParams(BaseModel):
    """Params of ``llm.classify``.

    Attributes:
        labels: Labels to choose from, 1 to 1,000 different ones.
        template: Message of the user, with ``{field}`` for a field of the item.
        model: The provider's name of the model. None: the worker's default model.
        max_output_tokens: Maximum tokens of each answer. None: not sent.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

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


async def run_llm_classify(params: LlmClassifyParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns ``{"label": ...}`` with one of the labels, spelt as in the params.

    Makes one chat completion, and a second if the first answer chooses no label. The second repeats the first
    with that answer, without its reasoning and cut to 1,000 characters. Sends no temperature, because
    reasoning models refuse every one but their own. Sends a limit of output tokens only if the job has one:
    their thinking counts towards it. The same item always makes the same request.

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
    return await context.complete(chat, model=params.model, max_output_tokens=params.max_output_tokens)


def estimate_llm_classify(params: LlmClassifyParams, item: JsonValue) -> Sequence[CallEstimate]:
    """Returns the single call of an item, with an answer of max_output_tokens, or a label without a limit.

    Without a limit, a model that thinks writes more.

    Raises:
        ItemFailedError: FIELD_MISSING: the item makes no call.
    """
    user_tokens = estimate_tokens(params.parsed_template.render(item))
    output_tokens = params.max_output_tokens or params.label_tokens
    return [CallEstimate(params.model, params.instruction_tokens + user_tokens, output_tokens)]


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
