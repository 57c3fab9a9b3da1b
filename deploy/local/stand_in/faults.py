"""How the stand-in can be told to misbehave."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What is done to one call in the place of an answer.

    Attributes:
        status: HTTP status of the answer.
        code: The error's code, such as ``insufficient_quota``.
        message: The error's message.
        retry_after: Sent as Retry-After, in seconds or as a date.
        text: What the model says instead; an ordinary answer otherwise.
        body: Sent as the whole body, unchanged, such as broken JSON.
        hang: Never answer.
        disconnect: Close the connection without an answer.
    """

    status: int = 200
    code: str | None = None
    message: str = "the stand-in was told to fail"
    retry_after: str | None = None
    text: str | None = None
    body: str | None = None
    hang: bool = False
    disconnect: bool = False

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Fault":
        """Returns the fault that a JSON object describes, with the names above.

        Raises:
            TypeError: An unknown name.
        """
        if value.get("retry_after") is not None:
            value = {**value, "retry_after": str(value["retry_after"])}
        return cls(**value)


@dataclass
class Behaviour:
    """What calls meet. Of several faults that fit the first in this order is taken.

    Attributes:
        latency_ms: How long every answer takes, in milliseconds.
        fail_next: Taken by the next calls, one each.
        fail_when_contains: By a text in the request's body.
        fail_all: Taken by every call.
        fail_every: Taken by every n-th call.
        every: The n of fail_every; 0: none.
    """

    latency_ms: float = 0.0
    fail_next: list[Fault] = field(default_factory=list)
    fail_when_contains: dict[str, Fault] = field(default_factory=dict)
    fail_all: Fault | None = None
    fail_every: Fault = field(default_factory=lambda: Fault(status=500))
    every: int = 0

    def update(self, control: dict[str, Any]) -> None:
        """Takes over the fields that a JSON object names; the others stay.

        ``hang_when_contains``, a list of texts, and ``answer_when_contains``, answers by text, are short for
        faults in fail_when_contains.

        Raises:
            TypeError: A fault has an unknown name.
            ValueError: An unknown field.
        """
        for name, value in control.items():
            match name:
                case "latency_ms":
                    self.latency_ms = float(value)
                case "every":
                    self.every = int(value)
                case "fail_next":
                    self.fail_next = [Fault.from_json(fault) for fault in value]
                case "fail_when_contains":
                    self.fail_when_contains = {text: Fault.from_json(fault) for text, fault in value.items()}
                case "hang_when_contains":
                    self.fail_when_contains |= {text: Fault(hang=True) for text in value}
                case "answer_when_contains":
                    self.fail_when_contains |= {text: Fault(text=answer) for text, answer in value.items()}
                case "fail_all":
                    self.fail_all = Fault.from_json(value) if value else None
                case "fail_every":
                    self.fail_every = Fault.from_json(value)
                case _:
                    raise ValueError(f"unknown field {name}")

    def fault(self, body: str, call_number: int) -> Fault | None:
        """Returns what to do to a call, or None for an ordinary answer.

        Args:
            body: Of the request.
            call_number: From 1.
        """
        if self.fail_next:
            return self.fail_next.pop(0)
        for text, fault in self.fail_when_contains.items():
            if text in body:
                return fault
        if self.fail_all is not None:
            return self.fail_all
        return self.fail_every if self.every and call_number % self.every == 0 else None
