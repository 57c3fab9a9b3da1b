"""The form in which a provider wants its requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.kinds import Message, RequestOptions

NO_SYSTEM_ROLE = "none"


@dataclass(frozen=True, kw_only=True)
class RequestShape:
    """Form of the requests for a model.

    Attributes:
        max_tokens_field: Name of the field that limits the output: ``max_tokens`` or
            ``max_completion_tokens``.
        system_role: Role of system messages: ``system``, ``developer``, or ``none`` to merge them into the
            first user message.
        extra_body: Further fields of the request, sent as they are.
        headers: Further headers for the model. They replace those of the whole profile.
        structured_output: Whether the provider limits answers to a JSON schema in ``response_format``.
    """

    max_tokens_field: str = "max_completion_tokens"
    system_role: str = "system"
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    structured_output: bool = False

    def sends_schema(self, options: RequestOptions) -> bool:
        """Returns whether requests have the answer_schema of their options."""
        wanted = options.structured_output
        return options.answer_schema is not None and (self.structured_output if wanted is None else wanted)

    def with_options(self, options: RequestOptions, *, has_schema: bool) -> "RequestShape":
        """Returns the form for the calls of a job. Its options replace what the profile says.

        Args:
            options: Options of the job.
            has_schema: Whether the requests have the answer_schema.
        """
        schema = {"response_format": _response_format(options.answer_schema)} if has_schema else {}
        return replace(
            self,
            max_tokens_field=options.max_tokens_field or self.max_tokens_field,
            system_role=options.system_role or self.system_role,
            extra_body={**self.extra_body, **options.fields, **schema},
        )

    def encode_fields(
        self, model: str, temperature: float | None, max_output_tokens: int | None
    ) -> dict[str, Any]:
        """Returns the body of a request without its messages, ready for JSON. None leaves a field out."""
        body: dict[str, Any] = {**self.extra_body, "model": model}
        if temperature is not None:
            body["temperature"] = temperature
        if max_output_tokens is not None:
            body[self.max_tokens_field] = max_output_tokens
        return body

    def encode_messages(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        """Returns the messages of a request, ready for JSON."""
        if self.system_role == NO_SYSTEM_ROLE:
            messages = _without_system_role(messages)
        return [
            {"role": self.system_role if m.role == "system" else m.role, "content": m.content}
            for m in messages
        ]


def _response_format(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _without_system_role(messages: Sequence[Message]) -> Sequence[Message]:
    """Returns the chat with the system messages at the head of the first user message."""
    system = [message.content for message in messages if message.role == "system"]
    others = [message for message in messages if message.role != "system"]
    if not system:
        return others
    index = next((i for i, message in enumerate(others) if message.role == "user"), None)
    if index is None:
        return [Message("user", "\n\n".join(system)), *others]
    merged = Message("user", "\n\n".join([*system, others[index].content]))
    return [*others[:index], merged, *others[index + 1 :]]
