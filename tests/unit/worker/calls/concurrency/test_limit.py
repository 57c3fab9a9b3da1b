"""The limit on calls in flight follows the provider's capacity, and bears random rejections."""

import pytest

from services.worker.calls.concurrency import ConcurrencyLimit
from services.worker.calls.concurrency.round import Round

CEILING = 100


class Model:
    """A model whose calls end when the test says so, on a clock that the test moves."""

    def __init__(self, ceiling: int = CEILING) -> None:
        self.now = 0.0
        self.limit = ConcurrencyLimit("m", ceiling, lambda: self.now)

    def run_round(self, *, rejected: int = 0, count: int | None = None, seconds: float = 1.0) -> int:
        """Begins calls at once, rejects some of them, answers the others. Returns the limit then."""
        count = self.limit.limit if count is None else count
        calls = [self.limit.begin() for _ in range(count)]
        self.limit.in_flight_count = count
        for call in calls[:rejected]:
            self.limit.note_rejection(call)
        self.now += seconds
        for call in calls[rejected:]:
            self.limit.note_answer(call)
        self.limit.in_flight_count = 0
        return self.limit.limit

    def fill(self) -> None:
        """Grows to the ceiling."""
        while self.run_round() < CEILING:
            pass
        for _ in range(3):
            self.run_round()  # the usual latency is known


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def full_model(model):
    model.fill()
    return model


def test_it_starts_at_8_and_grows_sixteenfold_in_a_round():
    model = Model(1000)
    assert model.limit.limit == 8
    assert model.run_round(seconds=0.5) == 128


def test_it_never_exceeds_its_ceiling():
    small = Model(5)
    assert small.limit.limit == 5
    assert small.run_round() == 5
    assert not small.limit.is_reduced


def test_two_rejections_never_cut():
    for rejected in (1, 2):
        model = Model()
        assert model.run_round(rejected=rejected) >= 8


def test_calls_in_flight_together_cut_once_to_the_share_that_was_accepted(full_model):
    assert full_model.run_round(rejected=60) == 40  # half of them decide, and the others count too


def test_a_twentieth_of_rejections_cuts_nothing(full_model):
    for _ in range(50):
        assert full_model.run_round(rejected=5) == CEILING


def test_a_cut_that_changes_nothing_is_undone_and_the_rejections_count_as_noise(full_model):
    assert full_model.run_round(rejected=30) < CEILING
    full_model.now += 60.0  # the quiet time
    cut = full_model.limit.limit
    assert full_model.run_round(rejected=round(cut * 0.25)) == CEILING
    assert full_model.run_round(rejected=28) == CEILING


def test_a_cut_is_not_followed_by_another_within_twelve_latencies(full_model):
    after_cut = full_model.run_round(rejected=60)
    for _ in range(10):
        assert full_model.run_round(rejected=after_cut) == after_cut
    full_model.now += 2.0
    assert full_model.run_round(rejected=after_cut) < after_cut


def test_it_grows_slowly_at_first_after_a_cut_and_then_faster(full_model):
    after_cut = full_model.run_round(rejected=60)
    full_model.now += 60.0
    limits = [full_model.run_round() for _ in range(6)]
    assert limits == [after_cut + 1, after_cut + 3, after_cut + 7, after_cut + 15, after_cut + 31, CEILING]


def test_an_idle_model_does_not_grow(model):
    for _ in range(100):
        assert model.run_round(count=3) == 8


def test_answers_to_calls_from_before_a_decision_do_not_count(full_model):
    late = [full_model.limit.begin() for _ in range(CEILING)]
    full_model.limit.in_flight_count = CEILING
    for call in late[:60]:
        full_model.limit.note_rejection(call)
    after_cut = full_model.limit.limit
    full_model.now += 60.0
    for call in late[60:]:
        full_model.limit.note_answer(call)
    assert full_model.limit.limit == after_cut


def test_answers_that_become_much_slower_cut_to_no_less_than_half(full_model):
    assert full_model.run_round(seconds=30.0) == 50


def test_answers_within_a_24th_of_the_timeout_are_never_too_slow(full_model):
    for _ in range(20):
        assert full_model.run_round(seconds=4.9) == CEILING


def test_a_cut_that_does_not_make_answers_faster_sets_the_usual_latency(full_model):
    assert full_model.run_round(seconds=30.0) == 50
    full_model.now += 30.0
    full_model.run_round(seconds=30.0)
    limits = [full_model.run_round(seconds=30.0) for _ in range(8)]
    assert limits == sorted(limits)
    assert limits[-1] > 50


def test_slow_first_answers_decide_nothing_before_there_are_ten_and_growth_is_careful_then(model):
    assert model.run_round(seconds=20.0) == 8
    assert model.run_round(seconds=20.0) == 12


def test_the_timeouts_of_a_round_decide_what_is_slow(model):
    model.fill()
    calls = [model.limit.begin(timeout_seconds=2.4) for _ in range(CEILING)]
    model.now += 2.4
    for call in calls:
        model.limit.note_answer(call)
    assert model.limit.limit < CEILING


def test_one_call_may_always_be_in_flight(full_model):
    for _ in range(20):
        full_model.run_round(rejected=full_model.limit.limit)
        full_model.now += 100.0
    assert full_model.limit.limit == 1
    assert full_model.limit.has_capacity


def test_a_rejected_call_keeps_its_slot_for_two_latencies_but_not_over_30_s(full_model):
    assert full_model.limit.note_rejection(full_model.limit.begin()) == pytest.approx(2.0)
    full_model.limit.held_count = CEILING
    assert not full_model.limit.has_capacity
    slow = Model()
    for _ in range(4):
        slow.run_round(seconds=50.0)
    assert slow.limit.note_rejection(slow.limit.begin()) == 30.0


def test_scarcity_announced_by_the_provider_prevents_growth_and_cuts_nothing(model):
    call = model.limit.begin()
    model.limit.note_scarcity(call)
    model.limit.note_answer(call)
    assert model.run_round() == 8
    model.limit.note_scarcity(call)  # of an earlier round
    assert model.run_round() > 8


def test_calls_are_mostly_rejected_only_if_more_than_half_of_four_were(full_model):
    calls = [full_model.limit.begin() for _ in range(4)]
    for call, is_mostly_rejected in zip(calls, (False, False, True, True), strict=True):
        full_model.limit.note_rejection(call)
        assert full_model.limit.is_mostly_rejected is is_mostly_rejected
    few = Model()
    for _ in range(3):
        few.limit.note_rejection(few.limit.begin())
    assert not few.limit.is_mostly_rejected


def test_a_restart_begins_anew_with_few_calls(full_model):
    full_model.limit.restart()
    assert full_model.limit.limit == 8
    assert full_model.run_round() == CEILING


def time_out(model, count: int, timeout_seconds: float) -> None:
    calls = [model.limit.begin(timeout_seconds) for _ in range(count)]
    model.limit.in_flight_count = count
    model.now += timeout_seconds
    for call in calls:
        model.limit.note_timeout(call)
    model.limit.in_flight_count = 0


@pytest.mark.parametrize("timeout_seconds", [0.001, 0.5, 1.9])
def test_calls_that_time_out_before_they_are_slow_change_nothing(full_model, timeout_seconds):
    state = full_model.limit.state
    time_out(full_model, 1_000, timeout_seconds)
    assert full_model.limit.state == state
    assert full_model.run_round(seconds=4.9) == CEILING  # their timeout is that of no other call


def test_short_timeouts_do_not_hide_rejections(full_model):
    rejected = [full_model.limit.begin() for _ in range(60)]
    time_out(full_model, 1_000, 0.001)
    for call in rejected:
        full_model.limit.note_rejection(call)
    assert full_model.limit.limit < CEILING


def test_short_timeouts_do_not_slow_down_the_first_growth():
    model = Model(1000)
    time_out(model, 8, 0.001)
    assert model.run_round(seconds=0.5) == 128


def test_calls_that_time_out_slowly_cut(full_model):
    time_out(full_model, CEILING, 10.0)
    assert full_model.limit.limit == 50


def test_a_few_calls_with_a_tight_timeout_do_not_stop_growth(model):
    for _ in range(15):
        before = model.limit.limit
        calls = [model.limit.begin(1.1 if number % 10 == 0 else None) for number in range(before)]
        model.limit.in_flight_count = before
        model.now += 1.0
        for call in calls:
            model.limit.note_answer(call)
    assert model.limit.limit == CEILING


def test_the_timeout_of_a_round_is_the_harmonic_mean_of_those_of_its_answers():
    one, other, empty = Round(), Round(), Round(begun_count=5)
    one.add_answer(10.0, 1.0)
    other.add_answer(30.0, 1.0)
    assert (one + other).timeout_seconds == pytest.approx(15.0)
    assert (one + empty).timeout_seconds == pytest.approx(10.0)
    assert (empty + empty).timeout_seconds == float("inf")
