"""Workers exchange decisions: the first one holds, and nobody decides for others twice."""

from services.worker.calls.concurrency import ConcurrencyLimit, Membership, Message, Reply
from services.worker.calls.concurrency.rule import LimitState
from tests.simulation.concurrency.blackboard import Blackboard

CEILING = 300


class Worker:
    """A worker whose exchanges the test makes."""

    def __init__(self, name: str, blackboard: Blackboard) -> None:
        self.now = 0.0
        self.limit = ConcurrencyLimit("m", CEILING, lambda: self.now)
        self.member = Membership(self.limit, name)
        self._blackboard = blackboard

    def exchange(self, *, is_short: bool = True) -> Message:
        message = self.member.message(is_short=is_short)
        reply = self._blackboard.exchange(self.member, message, 0.0)
        if reply is None:
            self.member.lose()
        else:
            self.member.receive(message, reply)
        return message

    def run_round(self, rejected_count: int = 0) -> None:
        calls = [self.limit.begin() for _ in range(self.limit.limit)]
        self.limit.in_flight_count = len(calls)
        for call in calls[:rejected_count]:
            self.limit.note_rejection(call)
        self.now += 2.0
        for call in calls[rejected_count:]:
            self.limit.note_answer(call)
        self.limit.in_flight_count = 0


def warm(limit: float = 100.0) -> Blackboard:
    return Blackboard(LimitState(decision_id="known", limit=limit, latency=2.0, usual_latency=2.0))


def make_fleet(blackboard: Blackboard, *names: str) -> list[Worker]:
    workers = [Worker(name, blackboard) for name in names]
    for _ in range(2):
        for worker in workers:
            worker.exchange()
    return workers


def test_a_worker_alone_gets_all_that_is_known():
    (worker,) = make_fleet(warm(), "a")
    assert worker.limit.limit == 100


def test_what_is_known_is_divided():
    assert [worker.limit.limit for worker in make_fleet(warm(), "a", "b", "c", "d")] == [25] * 4


def test_before_the_first_decision_each_worker_has_8():
    assert [worker.limit.limit for worker in make_fleet(Blackboard(), "a", "b", "c")] == [8] * 3


def test_a_worker_without_waiting_calls_gets_what_it_uses():
    small, busy = make_fleet(warm(), "a", "b")
    small.exchange()
    small.exchange(is_short=False)
    busy.exchange()
    assert busy.limit.limit == 99


def test_of_two_decisions_the_first_to_be_shared_holds():
    blackboard = warm()
    first, second = make_fleet(blackboard, "a", "b")
    for worker in (first, second):
        for call in [worker.limit.begin() for _ in range(60)]:
            worker.limit.note_rejection(call)
    decisions = {worker.limit.state.decision_id for worker in (first, second)}
    assert len(decisions) == 2
    assert "known" not in decisions
    first.exchange()
    second.exchange()
    assert second.limit.state == first.limit.state == blackboard.state


def test_a_decision_made_while_an_exchange_is_under_way_is_kept_and_shared_next():
    blackboard = warm()
    (worker,) = make_fleet(blackboard, "a")
    message = worker.member.message(is_short=True)
    worker.run_round(rejected_count=80)
    decision = worker.limit.state.decision_id
    worker.member.receive(message, Reply(state=blackboard.state, others={}))
    assert worker.limit.state.decision_id == decision
    worker.exchange()
    assert blackboard.state.decision_id == decision


def test_a_restart_after_an_outage_is_shared_and_made_once():
    blackboard = warm()
    first, second = make_fleet(blackboard, "a", "b")
    first.limit.restart()
    for worker in (first, second, first):
        worker.exchange()
    assert [first.limit.limit, second.limit.limit] == [8, 8]
    second.limit.restart()
    assert second.limit.state == blackboard.state


def test_without_redis_each_continues_from_its_part_and_returns_to_the_shared_state():
    blackboard = warm()
    first, second = make_fleet(blackboard, "a", "b")
    blackboard.is_away = True
    for worker in (first, second):
        worker.exchange()
        assert worker.limit.limit == 50
        for call in [worker.limit.begin() for _ in range(50)]:
            worker.limit.note_rejection(call)
        assert worker.limit.limit < 50
    blackboard.is_away = False
    for worker in (first, second):
        worker.exchange()
    assert [first.limit.limit, second.limit.limit] == [50, 50]
    assert blackboard.state.limit == 100


def test_a_redis_that_has_lost_everything_gets_the_state_again_and_nobody_takes_all_of_it():
    blackboard = warm()
    workers = make_fleet(blackboard, "a", "b")
    blackboard.flush()
    for _ in range(6):
        for worker in workers:
            worker.exchange()
            assert worker.limit.limit == 50
    assert blackboard.state.limit == 100
