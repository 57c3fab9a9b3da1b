"""Counts of the calls to the stand-in, which show calls that were made twice."""

import time
from collections import Counter
from typing import Any


class CallCounts:
    """Counts calls since the start or the last reset.

    Attributes:
        call_count: Calls received.
        answered_count: Calls that got a response, including errors.
        broken_off_count: Calls whose caller disconnected before the response.
        in_flight_count: Calls in flight now.
        max_in_flight_count: Maximum of calls in flight at the same time.
        last_call_time: Time of the last call, in seconds since 1970. 0.0 if there was none.
        last_broken_off_time: Time at which the last call was broken off, in seconds since 1970.
        prompts: Calls by prompt, which is the messages of the role user joined by a line of dashes.
    """

    def __init__(self) -> None:
        self.in_flight_count = 0
        self.reset()

    def reset(self) -> None:
        """Sets all counts to 0, except that of calls in flight."""
        self.call_count = self.answered_count = self.broken_off_count = 0
        self.max_in_flight_count = self.in_flight_count
        self.last_call_time = self.last_broken_off_time = 0.0
        self.prompts: Counter[str] = Counter()

    def start(self, prompt: str) -> None:
        """Counts a received call."""
        self.call_count += 1
        self.last_call_time = time.time()
        self.in_flight_count += 1
        self.max_in_flight_count = max(self.max_in_flight_count, self.in_flight_count)
        self.prompts[prompt] += 1

    def end(self, *, answered: bool) -> None:
        """Counts the end of a call."""
        self.in_flight_count -= 1
        if answered:
            self.answered_count += 1
        else:
            self.broken_off_count += 1
            self.last_broken_off_time = time.time()

    def to_json(self, *, all_prompts: bool) -> dict[str, Any]:
        """Returns the counts.

        Args:
            all_prompts: Whether to include prompts that were called only once.
        """
        prompts = {prompt: count for prompt, count in self.prompts.items() if all_prompts or count > 1}
        return {
            "call_count": self.call_count,
            "answered_count": self.answered_count,
            "broken_off_count": self.broken_off_count,
            "in_flight_count": self.in_flight_count,
            "max_in_flight_count": self.max_in_flight_count,
            "last_call_time": self.last_call_time,
            "last_broken_off_time": self.last_broken_off_time,
            "prompt_count": len(self.prompts),
            "prompts": prompts,
        }
