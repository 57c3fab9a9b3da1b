"""Which calls were made twice, and whose death excuses that: from the provider's own log."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from deploy.local.stand_in.call_log import ANSWERED, BROKEN_OFF, UNDER_WAY
from tests.chaos.jobs import place_of

# A frozen worker that wakes sends so soon, in seconds, what it had begun to send.
WAKING_SECONDS = 1.0
# A result counts from the begin of the transaction that records it; a call that began so much later, in
# seconds, was made by somebody who could have known.
RECORDING_SECONDS = 1.0
_NO_FAILURE_OF_THE_PROVIDER = {ANSWERED, BROKEN_OFF, UNDER_WAY}
Place = tuple[str, int]


class Call(NamedTuple):
    """One call, see the stand-in's log."""

    caller: str
    prompt: str
    begin: float
    end: float
    outcome: str

    @property
    def failed(self) -> bool:
        """Whether the provider failed, so that another call has to follow."""
        return self.outcome not in _NO_FAILURE_OF_THE_PROVIDER


@dataclass(eq=False)
class Death:
    """A worker that others had to take for dead, by what was done to it.

    Attributes:
        worker: Its name.
        begin: When it was killed, frozen or cut off, in seconds since 1970.
        end: When it was healed. Until then its calls are those that it had under way, however late the
            provider came to read them; one that is only cut off goes on for a while.
        places: Items of the chunks that it held, by mark and index.
        wake_time: When it went on after it was frozen; 0: never.
    """

    worker: str
    begin: float
    end: float
    places: set[Place] = field(default_factory=set)
    wake_time: float = 0.0

    def was_begun_before(self, call: Call) -> bool:
        """Whether a call of the worker may have been begun before it was frozen, and was sent when it woke.

        The body of a request is written one turn of the loop after the decision to make it; all items that
        are started in one turn may be caught between the two.
        """
        is_own = call.caller == self.worker and place_of(call.prompt) in self.places
        return is_own and 0 <= call.begin - self.wake_time < WAKING_SECONDS

    def takeover_seconds(self, calls: Iterable[Call]) -> float | None:
        """Returns how long it took until another worker called for an item that it held; None: none did."""
        begins = [
            call.begin
            for call in calls
            if call.begin > self.begin and call.caller != self.worker and place_of(call.prompt) in self.places
        ]
        return min(begins) - self.begin if begins else None


@dataclass
class Repeats:
    """Calls that followed one of the same item which the provider had not failed.

    Attributes:
        call_count: All calls.
        failure_counts: Failures of the provider, by kind.
        failures_of: Failures of the provider, by item.
        sent_late: Calls that a worker had begun before it was frozen and sent when it woke, by its death.
        excused: Repeats after the death of who made the call before, by death.
        wrong: Repeats that nothing excuses, each in words.
        too_late: Calls for items whose result was recorded already, each in words.
    """

    call_count: int = 0
    failure_counts: Counter[str] = field(default_factory=Counter)
    failures_of: Counter[Place] = field(default_factory=Counter)
    excused: Counter[Death] = field(default_factory=Counter)
    sent_late: Counter[Death] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)


def find_repeats(calls: Sequence[Call], deaths: Sequence[Death], recorded: Mapping[Place, float]) -> Repeats:
    """Returns what was called again.

    Args:
        calls: In any order.
        deaths: Of workers; they excuse the repetition of what those had under way or unrecorded.
        recorded: When each item's result was recorded, in seconds since 1970.
    """
    by_place: dict[Place, list[Call]] = defaultdict(list)
    for call in calls:
        by_place[place_of(call.prompt)].append(call)
    repeats = Repeats(len(calls), Counter(call.outcome for call in calls if call.failed))
    for place, of_item in by_place.items():
        of_item.sort(key=lambda call: call.begin)
        for before, call in pairwise(of_item):
            if not before.failed:
                _judge(repeats, deaths, before, call)
        repeats.failures_of[place] = sum(call.failed for call in of_item)
        recorded_time = recorded.get(place, float("inf"))
        for call in of_item:
            death = next((death for death in deaths if death.was_begun_before(call)), None)
            if death is not None:
                repeats.sent_late[death] += 1
            elif call.begin > recorded_time + RECORDING_SECONDS:
                late = call.begin - recorded_time
                repeats.too_late.append(f"{place}: called by {call.caller} {late:.1f} s after its result")
    return repeats


def _judge(repeats: Repeats, deaths: Sequence[Death], before: Call, call: Call) -> None:
    for death in deaths:
        if death.was_begun_before(call):
            return
        if before.caller == death.worker and before.begin <= death.end and call.begin > death.begin:
            repeats.excused[death] += 1
            return
    repeats.wrong.append(
        f"{place_of(call.prompt)}: {before.caller} {before.outcome} at {before.begin:.2f} to"
        f" {before.end:.2f}, again {call.caller} {call.outcome} at {call.begin:.2f}"
    )


def to_calls(rows: Iterable[Sequence[Any]]) -> list[Call]:
    """Returns the calls that rows of the log stand for; foreign prompts are left out."""
    return [Call(*row) for row in rows if str(row[1]).startswith("Posting ")]
