"""The kind ``llm.classify``: assigns each item one of the job's labels."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from headrace.kinds.estimate import CallEstimate, estimate_tokens
from headrace.kinds.kind import ItemContext, ItemFailedError, JsonValue, Kind, Message
from headrace.kinds.labels import fold_labels, match_label
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

    @field_validator("labels")
    @classmethod
    def _can_be_told_apart(cls, labels: list[str]) -> list[str]:
        fold_labels(labels)
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
    def label_by_fold(self) -> dict[str, str]:
        """The labels by their folded text."""
        return fold_labels(self.labels)

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

    Makes one chat completion, and a second if the first answer matches no label. Sends neither a temperature
    nor a limit of output tokens: reasoning models refuse every temperature but their own, and their thinking
    counts towards that limit. The same item always makes the same request.

    Raises:
        ItemFailedError: FIELD_MISSING (no call was made), or LABEL_UNKNOWN after the second answer.
    """
    chat = [params.instruction, Message("user", params.parsed_template.render(item))]
    answer = await context.complete(chat, model=params.model)
    label = match_label(answer.text, params.label_by_fold)
    if label is None:
        chat += [Message("assistant", answer.text), Message("user", _CORRECTION)]
        answer = await context.complete(chat, model=params.model)
        label = match_label(answer.text, params.label_by_fold)
    if label is None:
        raise ItemFailedError(ErrorReason.LABEL_UNKNOWN, "both answers of the model match no label")
    return {"label": label}


def estimate_llm_classify(params: LlmClassifyParams, item: JsonValue) -> Sequence[CallEstimate]:
    """Returns the single call of an item, with a label as its answer. A model that thinks writes more.

    Raises:
        ItemFailedError: FIELD_MISSING: the item makes no call.
    """
    user_tokens = estimate_tokens(params.parsed_template.render(item))
    return [CallEstimate(params.model, params.instruction_tokens + user_tokens, params.label_tokens)]


LLM_CLASSIFY = Kind(
    name="llm.classify",
    description=(
        "Assigns each item one of the labels, by one chat completion. If the answer matches none, it asks "
        'once more, then the item fails. Output: {"label": ...}.'
    ),
    params_model=LlmClassifyParams,
    run=run_llm_classify,
    estimate=estimate_llm_classify,
)
