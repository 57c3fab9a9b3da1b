"""The limit on calls in flight follows the provider's capacity."""

from services.worker.calls.concurrency_limit import ConcurrencyLimit


def answer_all(concurrency: ConcurrencyLimit) -> None:
    """One round trip: as many calls as may be in flight, all answered."""
    concurrency.in_flight_count = concurrency.limit
    for number in [concurrency.begin() for _ in range(concurrency.limit)]:
        concurrency.note_success(number)


def test_it_starts_at_its_ceiling_and_stays_below():
    concurrency = ConcurrencyLimit("m", 20)
    answer_all(concurrency)
    assert concurrency.limit == 20


def test_calls_in_flight_together_halve_it_once():
    concurrency = ConcurrencyLimit("m", 20)
    numbers = [concurrency.begin() for _ in range(20)]
    for number in numbers:
        concurrency.note_overload(number)
    assert concurrency.limit == 10
    concurrency.note_overload(concurrency.begin())
    assert concurrency.limit == 5


def test_it_grows_by_about_one_a_round_trip_and_back_to_its_ceiling():
    concurrency = ConcurrencyLimit("m", 20)
    concurrency.note_overload(concurrency.begin())
    for _ in range(5):
        answer_all(concurrency)
    assert 14 <= concurrency.limit <= 15
    for _ in range(20):
        answer_all(concurrency)
    assert concurrency.limit == 20


def test_answers_to_calls_from_before_a_cut_do_not_let_it_grow():
    concurrency = ConcurrencyLimit("m", 4)
    numbers = [concurrency.begin() for _ in range(4)]
    concurrency.in_flight_count = 4
    concurrency.note_overload(numbers[0])
    for number in numbers[1:]:
        concurrency.note_success(number)
    assert concurrency.limit == 2


def test_it_does_not_grow_unused():
    concurrency = ConcurrencyLimit("m", 20)
    concurrency.note_overload(concurrency.begin())
    concurrency.in_flight_count = 1
    for _ in range(100):
        concurrency.note_success(concurrency.begin())
    assert concurrency.limit == 10


def test_one_call_may_always_be_in_flight():
    concurrency = ConcurrencyLimit("m", 2)
    for _ in range(5):
        concurrency.note_overload(concurrency.begin())
    assert concurrency.limit == 1
    assert concurrency.has_capacity
