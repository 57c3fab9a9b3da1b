"""The stand-in's own record of each call, to be compared with what a store says."""

import time
from typing import Any

ANSWERED = "answered"
BROKEN_OFF = "broken_off"
BROKEN_BODY = "broken_body"
HUNG = "hung"
RESET = "reset"
UNDER_WAY = ""


class LoggedCall:
    """One call.

    Attributes:
        caller: What the caller named as its OpenAI project; may be empty.
        prompt: See ``CallCounts.prompts``.
        begin: When it came in, in seconds since 1970.
        end: When it ended, likewise; 0: it is under way.
        outcome: ``answered``, an HTTP status such as ``500``, ``broken_body``, ``hung`` (also where the
            caller then went away), ``reset``, ``broken_off`` by the caller, or empty while it is under way.
    """

    __slots__ = ("begin", "caller", "end", "outcome", "prompt")

    def __init__(self, caller: str, prompt: str) -> None:
        self.caller = caller
        self.prompt = prompt
        self.begin = time.time()
        self.end = 0.0
        self.outcome = UNDER_WAY

    def finish(self, outcome: str) -> None:
        """Notes how the call ended; only the first time counts."""
        if not self.outcome:
            self.end, self.outcome = time.time(), outcome


class CallLog:
    """Calls in the order in which they came in, about 300 bytes each; kept only when asked for."""

    def __init__(self) -> None:
        self.is_kept = False
        self._calls: list[LoggedCall] = []

    def reset(self) -> None:
        """Forgets all calls and keeps no more."""
        self.is_kept = False
        self._calls = []

    def start(self, caller: str, prompt: str) -> LoggedCall:
        """Returns the record of a call that came in."""
        call = LoggedCall(caller, prompt)
        if self.is_kept:
            self._calls.append(call)
        return call

    def to_json(self, after: int) -> dict[str, Any]:
        """Returns the calls from a place on, each as a list of caller, prompt, begin, end, outcome.

        Args:
            after: How many calls to pass over.
        """
        calls = [
            [call.caller, call.prompt, call.begin, call.end, call.outcome] for call in self._calls[after:]
        ]
        return {"call_count": len(self._calls), "calls": calls}
