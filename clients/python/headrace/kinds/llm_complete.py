"""The kind ``llm.complete``: asks a model one question about each item, or several concurrently."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from headrace.kinds.estimate import CallEstimate, estimate_tokens
from headrace.kinds.kind import (
    Completion,
    ItemContext,
    ItemFailedError,
    JobFailedError,
    JobRefusedError,
    JsonValue,
    Kind,
    Message,
    RetryableError,
)
from headrace.kinds.request_params import RequestParams
from headrace.kinds.template import Template, parse_template
from headrace.reasons import ErrorReason

MAX_PROMPT_COUNT = 20
# Of an answer without a limit. Its real length is unknown before the first call.
_EXPECTED_OUTPUT_TOKENS = 500
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = "{field} stands for that field of the item; {{ and }} are braces."


def _check_template(text: str) -> str:
    parse_template(text)
    return text


PromptText = Annotated[str, Field(max_length=100_000), AfterValidator(_check_template)]


class LlmCompleteParams(RequestParams):
    """Params of ``llm.complete``: exactly one of ``prompt`` and ``prompts``.

    Attributes:
        prompt: Message of the user, with ``{field}`` for a field of the item.
        prompts: 1 to 20 prompts by name, each in its own call.
        system: First message of every call, sent unchanged. None: not sent.
        model: The provider's name of the model. None: the worker's default model.
        max_output_tokens: Maximum tokens of each answer. None: not sent.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"oneOf": [{"required": ["prompt"]}, {"required": ["prompts"]}]},
    )

    prompt: PromptText | None = Field(default=None, description=f"Prompt for each item. {_FIELDS}")
    prompts: dict[str, PromptText] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PROMPT_COUNT,
        description=(
            "Prompts for each item by name (1 to 64 of A-Z, a-z, 0-9, _ and -), all asked concurrently. "
            f"{_FIELDS}"
        ),
    )
    system: str | None = Field(
        default=None,
        min_length=1,
        max_length=100_000,
        description="System message of every call, the same for all items. It has no {field} places.",
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
            "Maximum tokens of each answer. A longer one is cut off, with the finish_reason length. "
            "Default: not sent."
        ),
    )

    @field_validator("prompts")
    @classmethod
    def _have_plain_names(cls, prompts: dict[str, str] | None) -> dict[str, str] | None:
        for place, name in enumerate(prompts or ()):
            if not _NAME.fullmatch(name):
                raise ValueError(f"the name at position {place} is not 1 to 64 of A-Z, a-z, 0-9, _ and -")
        return prompts

    @model_validator(mode="after")
    def _has_one_of_prompt_and_prompts(self) -> Self:
        if (self.prompt is None) == (self.prompts is None):
            raise ValueError("must have exactly one of prompt and prompts")
        return self

    @cached_property
    def templates(self) -> Mapping[str, Template]:
        """The parsed templates by name. The template of ``prompt`` has the empty name."""
        prompts = self.prompts if self.prompts is not None else {"": self.prompt or ""}
        return {name: parse_template(text) for name, text in prompts.items()}


async def run_llm_complete(params: LlmCompleteParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns the answer to ``prompt``, or ``{"answers": {name: answer}}`` in the order of ``prompts``.

    An answer is ``{"text", "finish_reason", "input_tokens", "output_tokens", "cached_tokens"}``. The text is
    unchanged. It may be empty, for example if a model spent max_output_tokens on thinking. The same item
    always makes the same requests.

    If a call fails with a RetryableError, the others finish, because they are paid for, and then the item is
    retried. A call that fails for good cancels the others at once.

    Raises:
        ItemFailedError: FIELD_MISSING (no call was made), or the provider refused one of the prompts.
        RetryableError: At least one call may succeed in another attempt.
    """
    system = [Message("system", params.system)] if params.system is not None else []
    chats = {
        name: [*system, Message("user", template.render(item))] for name, template in params.templates.items()
    }
    outcomes = await _ask_concurrently(params, chats, context)
    faults = {name: fault for name, fault in outcomes.items() if isinstance(fault, RetryableError)}
    if faults:
        raise _fault_of_item(faults)
    answers = {name: _show(answer) for name, answer in outcomes.items() if isinstance(answer, Completion)}
    return answers[""] if params.prompts is None else {"answers": answers}


async def _ask_concurrently(
    params: LlmCompleteParams, chats: Mapping[str, Sequence[Message]], context: ItemContext
) -> Mapping[str, Completion | RetryableError]:
    """Returns the outcome of each call, after all have ended.

    Raises:
        ItemFailedError: The first call failed for good, and the others were cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(_ask(params, name, chat, context)) for name, chat in chats.items()
            }
    except ExceptionGroup as failed:
        fatal = (error for error in failed.exceptions if isinstance(error, JobFailedError))
        raise next(fatal, failed.exceptions[0]) from None
    return {name: task.result() for name, task in tasks.items()}


async def _ask(
    params: LlmCompleteParams, name: str, chat: Sequence[Message], context: ItemContext
) -> Completion | RetryableError:
    try:
        return await context.complete(
            chat,
            model=params.model,
            temperature=params.temperature,
            max_output_tokens=params.max_output_tokens,
            options=params.request_options,
        )
    except RetryableError as error:
        return error
    except JobFailedError:
        raise
    except ItemFailedError as error:
        message = _name_prompt(name, error.message)
        raise ItemFailedError(error.reason, message, detail=error.detail) from None


def _fault_of_item(faults: Mapping[str, RetryableError]) -> RetryableError:
    """Returns one error for several: a refusal of the job if there is one.

    A rate limit is returned only if all are, since it does not count as an attempt.
    """
    name, fault = min(faults.items(), key=lambda entry: _rank(entry[1]))
    waits = [fault.retry_after for fault in faults.values() if fault.retry_after is not None]
    error_class = JobRefusedError if isinstance(fault, JobRefusedError) else RetryableError
    message = _name_prompt(name, fault.message)
    return error_class(fault.reason, message, max(waits, default=None), detail=fault.detail)


def _rank(fault: RetryableError) -> int:
    if isinstance(fault, JobRefusedError):
        return 0
    return 2 if fault.reason == ErrorReason.RATE_LIMITED else 1


def _name_prompt(name: str, message: str) -> str:
    return f"prompt {name}: {message}" if name else message


def _show(answer: Completion) -> JsonValue:
    return {
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cached_tokens": answer.cached_tokens,
    }


def estimate_llm_complete(params: LlmCompleteParams, item: JsonValue) -> Sequence[CallEstimate]:
    """Returns the call of each prompt, with an answer of max_output_tokens, or 500 tokens without a limit.

    Raises:
        ItemFailedError: FIELD_MISSING: the item makes no call.
    """
    system = [params.system] if params.system is not None else []
    output_tokens = params.max_output_tokens or _EXPECTED_OUTPUT_TOKENS
    return [
        CallEstimate(
            model=params.model,
            input_tokens=estimate_tokens(*system, template.render(item)),
            output_tokens=output_tokens,
            service_tier=params.service_tier,
        )
        for template in params.templates.values()
    ]


def templates_by_place(params: LlmCompleteParams) -> Mapping[str, Template]:
    """Returns the templates by their place in the params: ``prompt``, or ``prompts.NAME``."""
    return {f"prompts.{name}" if name else "prompt": each for name, each in params.templates.items()}


LLM_COMPLETE = Kind(
    name="llm.complete",
    description=(
        "Asks a model about each item: one prompt, or up to 20 named prompts concurrently, each a chat "
        'completion. Output: {"text": ..., "finish_reason": ..., "input_tokens": ..., "output_tokens": ..., '
        '"cached_tokens": ...}, or {"answers": {name: the same}} for several.'
    ),
    params_model=LlmCompleteParams,
    run=run_llm_complete,
    estimate=estimate_llm_complete,
    templates=templates_by_place,
)
