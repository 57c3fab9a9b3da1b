"""Redis as the clients of a simulation see it: the shared state of a limit, and the reports of workers."""

from dataclasses import dataclass, field

from services.worker.calls.concurrency import Membership, Message, Reply
from services.worker.calls.concurrency.fleet import Report
from services.worker.calls.concurrency.rule import LimitState
from services.worker.calls.concurrency.shared_limits import EXPIRY_SECONDS


@dataclass
class Blackboard:
    """A model of the script in ``SharedLimits``.

    Attributes:
        state: Shared state.
        is_away: Whether it cannot be reached.
    """

    state: LimitState | None = None
    is_away: bool = False
    _reports: dict[str, tuple[float, Report]] = field(default_factory=dict)

    def exchange(self, member: Membership, message: Message, now: float) -> Reply | None:
        """Returns the reply to a message. None if it cannot be reached."""
        if self.is_away:
            return None
        if message.state is not None and (self.state is None or self.state.decision_id == message.base_id):
            self.state = message.state
        self._reports[member.name] = (now + EXPIRY_SECONDS, message.report)
        others = {
            name: report for name, (end, report) in self._reports.items() if end > now and name != member.name
        }
        return Reply(state=self.state, others=others)

    def flush(self) -> None:
        """Forgets everything."""
        self.state = None
        self._reports.clear()

    def remove(self, member: Membership) -> None:
        """Forgets a worker."""
        self._reports.pop(member.name, None)
