"""A worker's membership in the fleet that shares the limit of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.worker.calls.concurrency.fleet import ALONE, Report, fleet_of
from services.worker.calls.concurrency.limit import ConcurrencyLimit
from services.worker.calls.concurrency.rule import LimitState

# After Redis has been away or has lost everything, other workers report again within this number of
# exchanges. Meanwhile this worker keeps its part.
_CAREFUL_COUNT = 4


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message of a worker to the others.

    Attributes:
        report: Its calls.
        state: State that it proposes. None if it knows no other than the shared one.
        base_id: The state is accepted only if this is the shared decision, or none is shared.
    """

    report: Report
    state: LimitState | None
    base_id: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """State and reports that are shared once a message has been received.

    Attributes:
        state: Shared state. None if there is none.
        others: Reports of the other workers, by name.
    """

    state: LimitState | None
    others: Mapping[str, Report]


class Membership:
    """Exchanges the limit of one model with the other workers.

    Rounds are counted together: whoever sees the counts of all decide first decides for all. A decision is
    shared only if nobody else has decided meanwhile. Otherwise this worker adopts the other decision.

    Args:
        limit: Limit of the model on this worker.
        name: Unique name of this worker.
    """

    def __init__(self, limit: ConcurrencyLimit, name: str) -> None:
        self.limit = limit
        self.name = name
        self._base_id = ""
        self._state_before_loss: LimitState | None = None
        self._is_member = self._is_short = False
        self._fleet = ALONE
        self._careful_count = 0
        self._peak = 0

    @property
    def worker_count(self) -> int:
        """Number of workers, as far as this one knows."""
        return self._fleet.worker_count

    def note_use(self, *, is_short: bool) -> None:
        """Notes that a call begins or waits.

        Args:
            is_short: Whether it waits for a slot of this limit.
        """
        self._is_short = self._is_short or is_short
        self._peak = max(self._peak, self.limit.in_use_count + 1)

    def message(self, *, is_short: bool) -> Message:
        """Returns the next message.

        Args:
            is_short: Whether calls wait for slots of this limit now.
        """
        limit = self.limit
        wanted_count = limit.ceiling if is_short or self._is_short else max(self._peak, limit.in_use_count, 1)
        self._is_short, self._peak = False, limit.in_use_count
        report = Report(
            decision_id=limit.state.decision_id,
            calls=replace(limit.own_round),
            in_use_count=limit.in_use_count,
            wanted_count=wanted_count,
            ceiling=limit.ceiling,
        )
        state = self._state_before_loss or limit.state
        is_new = state.decision_id != self._base_id
        return Message(report=report, state=state if is_new else None, base_id=self._base_id)

    def receive(self, sent: Message, reply: Reply) -> None:
        """Adopts the shared state, and counts rounds together with the other workers.

        Args:
            sent: Message that the reply belongs to.
            reply: The reply.
        """
        shared_id = reply.state.decision_id if reply.state is not None else ""
        known = self._state_before_loss or self.limit.state
        is_known = shared_id in (known.decision_id, self._base_id, "") or (
            sent.state is not None and shared_id == sent.state.decision_id
        )
        if not is_known and reply.state is not None:
            self.limit.adopt(reply.state, self.name)
        elif self._state_before_loss is not None:
            self.limit.adopt(reply.state or self._state_before_loss, self.name)
        if not shared_id and self._base_id:
            self._careful_count = _CAREFUL_COUNT  # Redis has lost the reports of the others too
        self._base_id, self._state_before_loss, self._is_member = shared_id, None, True
        if self._careful_count:
            self._careful_count -= 1
        else:
            own = replace(sent.report, decision_id=self.limit.state.decision_id)
            self._fleet = fleet_of(self.name, own, reply.others)
        self.limit.join(self._fleet)

    def lose(self) -> None:
        """Continues alone from this worker's part of the limit, because the others cannot be reached."""
        if not self._is_member:
            return
        state, part = self.limit.state, self.limit.limit
        self._is_member, self._state_before_loss = False, state
        self._careful_count = _CAREFUL_COUNT
        self.limit.join(ALONE)
        if state.limit:
            limit_at_cut = state.limit_at_cut * part / state.limit
            self.limit.adopt(replace(state, limit=float(part), limit_at_cut=limit_at_cut), self.name)
