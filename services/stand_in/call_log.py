"""The stand-in's record of each call, to compare with the store."""

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
        caller: OpenAI project that the caller named. May be empty.
        prompt: Prompt, see ``CallCounts.prompts``.
        begin: Time at which it was received, in seconds since 1970.
        end: Time at which it ended, in seconds since 1970. 0 while it is in flight.
        outcome: ``answered``, an HTTP status such as ``500``, ``broken_body``, ``hung`` (even if the caller
            then disconnected), ``reset``, ``broken_off`` by the caller, or empty while it is in flight.
    """

    __slots__ = ("begin", "caller", "end", "outcome", "prompt")

    def __init__(self, caller: str, prompt: str) -> None:
        self.caller = caller
        self.prompt = prompt
        self.begin = time.time()
        self.end = 0.0
        self.outcome = UNDER_WAY

    def finish(self, outcome: str) -> None:
        """Stores the outcome of the call. Only the first call counts."""
        if not self.outcome:
            self.end, self.outcome = time.time(), outcome


class CallLog:
    """Calls in the order received, about 300 bytes each. Off by default."""

    def __init__(self) -> None:
        self.is_kept = False
        self._calls: list[LoggedCall] = []

    def reset(self) -> None:
        """Deletes all calls and stops logging."""
        self.is_kept = False
        self._calls = []

    def start(self, caller: str, prompt: str) -> LoggedCall:
        """Returns the record of a received call."""
        call = LoggedCall(caller, prompt)
        if self.is_kept:
            self._calls.append(call)
        return call

    def to_json(self, after: int) -> dict[str, Any]:
        """Returns the calls, each as a list of caller, prompt, begin, end, outcome.

        Args:
            after: Number of calls to skip.
        """
        calls = [
            [call.caller, call.prompt, call.begin, call.end, call.outcome] for call in self._calls[after:]
        ]
        return {"call_count": len(self._calls), "calls": calls}
