"""Faults that the stand-in injects on demand."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.stand_in.call_log import ANSWERED, BROKEN_BODY, HUNG, RESET


@dataclass(frozen=True)
class Fault:
    """A replacement of the normal response to one call.

    Attributes:
        status: HTTP status of the response.
        code: Code of the error, such as ``insufficient_quota``.
        message: Message of the error.
        retry_after: Value of Retry-After, in seconds or as a date.
        text: Text of the model's message, in an otherwise normal response.
        body: Complete body, sent unchanged, such as broken JSON.
        headers: Further headers of a response with a body.
        raw: Parts of a text that is sent in place of an HTTP response. Then the connection is closed.
        pause_seconds: Pause after each part of ``raw``.
        reset: Whether the connection is reset after ``raw``, and not closed.
        hang: Whether the call never gets a response.
        hang_seconds: Seconds until a hang ends and the connection is closed. If None, the caller must end it.
        disconnect: Whether the connection is closed without a response.
    """

    status: int = 200
    code: str | None = None
    message: str = "an injected failure of the stand-in"
    retry_after: str | None = None
    text: str | None = None
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: Sequence[str] = ()
    pause_seconds: float = 0.0
    reset: bool = False
    hang: bool = False
    hang_seconds: float | None = None
    disconnect: bool = False

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Fault":
        """Returns the fault of a JSON object with the attributes above.

        Raises:
            TypeError: A name is unknown.
        """
        if value.get("retry_after") is not None:
            value = {**value, "retry_after": str(value["retry_after"])}
        return cls(**value)

    @property
    def outcome(self) -> str:
        """Outcome of a call with this fault, see ``LoggedCall``."""
        if self.hang:
            return HUNG
        if self.disconnect or self.raw:
            return RESET
        if self.body is not None and self.status < 400:
            return BROKEN_BODY
        return ANSWERED if self.status < 400 else str(self.status)


class RandomFaults:
    """Draws a fault, or none, for each call.

    Args:
        seed: Seed of the draws. Calls in another order get other faults.
        faults: Faults, each with its probability from 0 to 1. The sum must not exceed 1.

    Raises:
        ValueError: A probability is out of range, or the sum exceeds 1.
    """

    def __init__(self, seed: int, faults: Sequence[tuple[float, Fault]]) -> None:
        total = sum(probability for probability, _ in faults)
        if any(probability < 0 for probability, _ in faults) or total > 1 + 1e-9:
            raise ValueError("each probability must be from 0 to 1, and their sum at most 1")
        self._random = random.Random(seed)
        self._faults = list(faults)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RandomFaults":
        """Returns the faults of a JSON object with ``seed`` and ``faults``, each with a ``probability``.

        Raises:
            KeyError: A name is missing.
            TypeError: A name is unknown.
            ValueError: A probability is out of range.
        """
        faults = []
        for described in value["faults"]:
            rest = {name: part for name, part in described.items() if name != "probability"}
            faults.append((float(described["probability"]), Fault.from_json(rest)))
        return cls(int(value["seed"]), faults)

    def draw(self) -> Fault | None:
        """Returns the fault of the next call, or None."""
        left = self._random.random()
        for probability, fault in self._faults:
            left -= probability
            if left < 0:
                return fault
        return None


@dataclass
class Behaviour:
    """Behaviour towards calls. If several faults apply, the first in this order is used.

    Attributes:
        latency_ms: Latency of every response, in milliseconds.
        headers: Headers of every completion.
        fail_next: Faults of the next calls, one each.
        fail_when_contains: Faults by a text in the body of the request.
        fail_all: Fault of every call.
        fail_every: Fault of every n-th call.
        every: The n of ``fail_every``. 0 turns it off.
        fail_randomly: Random faults. None turns them off.
        scripts: Faults of the calls of a model, by its name, one each. None stands for a normal response. The
            last one repeats. A model with a script has no other faults.
    """

    latency_ms: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    fail_next: list[Fault] = field(default_factory=list)
    fail_when_contains: dict[str, Fault] = field(default_factory=dict)
    fail_all: Fault | None = None
    fail_every: Fault = field(default_factory=lambda: Fault(status=500))
    every: int = 0
    fail_randomly: RandomFaults | None = None
    scripts: dict[str, list[Fault | None]] = field(default_factory=dict)

    def update(self, control: dict[str, Any]) -> None:
        """Sets the fields that a JSON object names and keeps the others.

        ``hang_when_contains``, a list of texts, and ``answer_when_contains``, responses by text, are short
        forms of faults in ``fail_when_contains``.

        Raises:
            KeyError: ``fail_randomly`` lacks a name.
            TypeError: A fault has an unknown name.
            ValueError: A field is unknown.
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
                case "hang_when_contains" | "answer_when_contains":
                    self.fail_when_contains |= _short_forms(value)
                case "fail_all":
                    self.fail_all = Fault.from_json(value) if value else None
                case "fail_every":
                    self.fail_every = Fault.from_json(value)
                case "scripts":
                    self.scripts = {model: _read_script(faults) for model, faults in value.items()}
                case "fail_randomly":
                    self.fail_randomly = RandomFaults.from_json(value) if value else None
                case _:
                    raise ValueError(f"unknown field {name}")

    def fault(self, body: str, call_number: int, model: str = "") -> Fault | None:
        """Returns the fault of a call, or None for a normal response.

        Args:
            body: Body of the request.
            call_number: Number of the call, from 1.
            model: Model of the call.
        """
        script = self.scripts.get(model)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
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


def _read_script(faults: Sequence[dict[str, Any] | None]) -> list[Fault | None]:
    return [None if fault is None else Fault.from_json(fault) for fault in faults]


def _short_forms(value: list[str] | dict[str, str]) -> dict[str, Fault]:
    if isinstance(value, dict):
        return {text: Fault(text=response) for text, response in value.items()}
    return {text: Fault(hang=True) for text in value}
