"""Finds calls that were made twice, and the deaths of workers that excuse them, in the provider's log."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from services.stand_in.call_log import ANSWERED, BROKEN_OFF, UNDER_WAY
from tests.chaos.jobs import item_key_of

# A frozen worker that wakes sends what it had begun to send within this time, in seconds.
WAKING_SECONDS = 1.0
# A result counts from the start of the transaction that records it. A worker that begins a call later than
# that by this time, in seconds, could have known of the result.
RECORDING_SECONDS = 1.0
_NO_FAILURE_OF_THE_PROVIDER = {ANSWERED, BROKEN_OFF, UNDER_WAY}
ItemKey = tuple[str, int]


class Call(NamedTuple):
    """One call of the stand-in's log."""

    caller: str
    prompt: str
    begin: float
    end: float
    outcome: str

    @property
    def failed(self) -> bool:
        """Whether the provider failed the call, so that another one must follow."""
        return self.outcome not in _NO_FAILURE_OF_THE_PROVIDER


@dataclass(eq=False)
class Death:
    """A fault after which other workers must treat a worker as dead.

    Attributes:
        worker: Name of the worker.
        begin: Time at which it was killed, frozen or cut off, in seconds since 1970.
        end: Time at which it was healed. Calls that it made before that were in flight, even if the provider
            read them late. A worker that is only cut off makes calls for a while.
        leased_items: Items of the chunks that it had under lease.
        wake_time: Time at which it continued after it was frozen. 0 if it was not frozen.
    """

    worker: str
    begin: float
    end: float
    leased_items: set[ItemKey] = field(default_factory=set)
    wake_time: float = 0.0

    def was_begun_before(self, call: Call) -> bool:
        """Returns whether the worker may have begun a call before it was frozen, and sent it when it woke.

        The body of a request is written one turn of the loop after the decision to make it. A freeze may fall
        between the two for all items that were started in one turn.
        """
        is_own = call.caller == self.worker and item_key_of(call.prompt) in self.leased_items
        return is_own and 0 <= call.begin - self.wake_time < WAKING_SECONDS

    def takeover_seconds(self, calls: Iterable[Call]) -> float | None:
        """Returns the time until another worker made a call for one of its items, or None if none did."""
        begins = [
            call.begin
            for call in calls
            if call.begin > self.begin
            and call.caller != self.worker
            and item_key_of(call.prompt) in self.leased_items
        ]
        return min(begins) - self.begin if begins else None


@dataclass
class Repeats:
    """Calls for items whose previous call the provider had not failed.

    Attributes:
        call_count: Number of all calls.
        failure_counts: Failures of the provider, by outcome.
        failures_of: Failures of the provider, by item.
        sent_late: Calls that a worker had begun before it was frozen and sent when it woke, by death.
        excused: Repeats after the death of the previous caller, by death.
        wrong: Repeats without an excuse, each in words.
        too_late: Calls for items whose results were already recorded, each in words.
    """

    call_count: int = 0
    failure_counts: Counter[str] = field(default_factory=Counter)
    failures_of: Counter[ItemKey] = field(default_factory=Counter)
    excused: Counter[Death] = field(default_factory=Counter)
    sent_late: Counter[Death] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)


def find_repeats(
    calls: Sequence[Call], deaths: Sequence[Death], recorded: Mapping[ItemKey, float]
) -> Repeats:
    """Returns the repeated calls.

    Args:
        calls: Calls in any order.
        deaths: Deaths of workers, which excuse repeats of their calls in flight and unrecorded results.
        recorded: Time at which each item's result was recorded, in seconds since 1970.
    """
    by_item: dict[ItemKey, list[Call]] = defaultdict(list)
    for call in calls:
        by_item[item_key_of(call.prompt)].append(call)
    repeats = Repeats(len(calls), Counter(call.outcome for call in calls if call.failed))
    for item, item_calls in by_item.items():
        item_calls.sort(key=lambda call: call.begin)
        for before, call in pairwise(item_calls):
            if not before.failed:
                _judge(repeats, deaths, before, call)
        repeats.failures_of[item] = sum(call.failed for call in item_calls)
        recorded_time = recorded.get(item, float("inf"))
        for call in item_calls:
            death = next((death for death in deaths if death.was_begun_before(call)), None)
            if death is not None:
                repeats.sent_late[death] += 1
            elif call.begin > recorded_time + RECORDING_SECONDS:
                late = call.begin - recorded_time
                repeats.too_late.append(f"{item}: called by {call.caller} {late:.1f} s after its result")
    return repeats


def _judge(repeats: Repeats, deaths: Sequence[Death], before: Call, call: Call) -> None:
    for death in deaths:
        if death.was_begun_before(call):
            return
        if before.caller == death.worker and before.begin <= death.end and call.begin > death.begin:
            repeats.excused[death] += 1
            return
    repeats.wrong.append(
        f"{item_key_of(call.prompt)}: {before.caller} {before.outcome} at {before.begin:.2f} to"
        f" {before.end:.2f}, again {call.caller} {call.outcome} at {call.begin:.2f}"
    )


def to_calls(rows: Iterable[Sequence[Any]]) -> list[Call]:
    """Returns the calls of rows of the log, without those of foreign prompts."""
    return [Call(*row) for row in rows if str(row[1]).startswith("Posting ")]
