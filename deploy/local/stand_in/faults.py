"""How the stand-in can be told to misbehave."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.stand_in.call_log import ANSWERED, BROKEN_BODY, HUNG, RESET


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
        hang_seconds: A hang ends after so long, by closing the connection; None: with the caller's patience.
        disconnect: Close the connection without an answer.
    """

    status: int = 200
    code: str | None = None
    message: str = "the stand-in was told to fail"
    retry_after: str | None = None
    text: str | None = None
    body: str | None = None
    hang: bool = False
    hang_seconds: float | None = None
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

    @property
    def outcome(self) -> str:
        """What a call that meets it comes to; see ``LoggedCall``."""
        if self.hang:
            return HUNG
        if self.disconnect:
            return RESET
        if self.body is not None and self.status < 400:
            return BROKEN_BODY
        return ANSWERED if self.status < 400 else str(self.status)


class RandomFaults:
    """Draws a fault, or none, for each call.

    Args:
        seed: Gives the draws; calls that come in another order meet other faults.
        faults: Each with its probability, from 0 to 1, together at most 1.

    Raises:
        ValueError: A probability is not from 0 to 1, or they are over 1 together.
    """

    def __init__(self, seed: int, faults: Sequence[tuple[float, Fault]]) -> None:
        total = sum(probability for probability, _ in faults)
        if any(probability < 0 for probability, _ in faults) or total > 1 + 1e-9:
            raise ValueError("probabilities are from 0 to 1, and together at most 1")
        self._random = random.Random(seed)
        self._faults = list(faults)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RandomFaults":
        """Returns what a JSON object describes: ``seed``, and ``faults``, each with a ``probability``.

        Raises:
            KeyError: A name is missing.
            TypeError: An unknown name.
            ValueError: A probability is wrong.
        """
        faults = []
        for described in value["faults"]:
            rest = {name: part for name, part in described.items() if name != "probability"}
            faults.append((float(described["probability"]), Fault.from_json(rest)))
        return cls(int(value["seed"]), faults)

    def draw(self) -> Fault | None:
        """Returns what the next call meets; None: nothing."""
        left = self._random.random()
        for probability, fault in self._faults:
            left -= probability
            if left < 0:
                return fault
        return None


@dataclass
class Behaviour:
    """What calls meet. Of several faults that fit the first in this order is taken.

    Attributes:
        latency_ms: How long every answer takes, in milliseconds.
        headers: Sent with every completion.
        fail_next: Taken by the next calls, one each.
        fail_when_contains: By a text in the request's body.
        fail_all: Taken by every call.
        fail_every: Taken by every n-th call.
        every: The n of fail_every; 0: none.
        fail_randomly: Draws what each call meets; None: nothing.
    """

    latency_ms: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    fail_next: list[Fault] = field(default_factory=list)
    fail_when_contains: dict[str, Fault] = field(default_factory=dict)
    fail_all: Fault | None = None
    fail_every: Fault = field(default_factory=lambda: Fault(status=500))
    every: int = 0
    fail_randomly: RandomFaults | None = None

    def update(self, control: dict[str, Any]) -> None:
        """Takes over the fields that a JSON object names; the others stay.

        ``hang_when_contains``, a list of texts, and ``answer_when_contains``, answers by text, are short for
        faults in fail_when_contains.

        Raises:
            KeyError: A name is missing in fail_randomly.
            TypeError: A fault has an unknown name.
            ValueError: An unknown field.
        """
        for name, value in control.items():
            match name:
                case "latency_ms":
                    self.latency_ms = float(value)
                case "headers":
                    self.headers = {name: str(text) for name, text in value.items()}
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
                case "fail_randomly":
                    self.fail_randomly = RandomFaults.from_json(value) if value else None
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
        if self.every and call_number % self.every == 0:
            return self.fail_every
        return self.fail_randomly.draw() if self.fail_randomly is not None else None
