"""What the stand-in counts, so that a test can see which calls were made twice."""

import time
from collections import Counter
from typing import Any


class CallCounts:
    """Counts of calls since the start or the last reset.

    Attributes:
        call_count: Calls that came in.
        answered_count: Calls answered, with an error too.
        broken_off_count: Calls whose caller went away before the answer.
        in_flight_count: Calls being answered now.
        max_in_flight_count: The most at once.
        last_call_time: When the last call came in, in seconds since 1970; 0.0: none did.
        last_broken_off_time: The same of the last call that was broken off.
        prompts: Calls by prompt: the messages of the role user, joined by a line of dashes.
    """

    def __init__(self) -> None:
        self.in_flight_count = 0
        self.reset()

    def reset(self) -> None:
        """Starts again from 0; calls in flight stay in flight."""
        self.call_count = self.answered_count = self.broken_off_count = 0
        self.max_in_flight_count = self.in_flight_count
        self.last_call_time = self.last_broken_off_time = 0.0
        self.prompts: Counter[str] = Counter()

    def start(self, prompt: str) -> None:
        """Counts a call that came in."""
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
        """Returns the counts; of the prompts only those called more than once, unless all are wanted."""
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
