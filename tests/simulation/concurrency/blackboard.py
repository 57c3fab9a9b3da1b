"""Redis as the clients of a simulation see it: the shared state of a limit, and the reports of workers."""

from dataclasses import dataclass, field

from services.worker.calls.concurrency import Membership, Message, Reply

_EXPIRY_SECONDS = 5.0


@dataclass
class Blackboard:
    """A model of the script in ``services.worker.calls.concurrency``.

    Attributes:
        state: Shared state.
        is_away: Whether it cannot be reached.
    """

    state: object = None
    is_away: bool = False
    _reports: dict = field(default_factory=dict)

    def exchange(self, member: Membership, message: Message, now: float) -> Reply | None:
        """Returns the reply to a message. None if it cannot be reached."""
        if self.is_away:
            return None
        if message.state is not None and (self.state is None or self.state.decision_id == message.base_id):
            self.state = message.state
        self._reports[member.name] = (now + _EXPIRY_SECONDS, message.report)
        others = {
            name: report for name, (end, report) in self._reports.items() if end > now and name != member.name
        }
        return Reply(state=self.state, others=others)

    def remove(self, member: Membership) -> None:
        """Forgets a worker."""
        self._reports.pop(member.name, None)
