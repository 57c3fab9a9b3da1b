"""The limit of calls under way follows what the provider can take."""

from services.worker.calls.concurrency_limit import Concurrency


def answer_all(concurrency: Concurrency) -> None:
    """One round trip: as many calls as may be under way, all answered."""
    concurrency.under_way_count = concurrency.limit
    for number in [concurrency.begin() for _ in range(concurrency.limit)]:
        concurrency.succeeded(number)


def test_it_starts_at_its_ceiling_and_stays_below():
    concurrency = Concurrency("m", 20)
    answer_all(concurrency)
    assert concurrency.limit == 20


def test_calls_under_way_together_halve_it_once():
    concurrency = Concurrency("m", 20)
    numbers = [concurrency.begin() for _ in range(20)]
    for number in numbers:
        concurrency.overloaded(number)
    assert concurrency.limit == 10
    concurrency.overloaded(concurrency.begin())
    assert concurrency.limit == 5


def test_it_grows_by_about_one_a_round_trip_and_back_to_its_ceiling():
    concurrency = Concurrency("m", 20)
    concurrency.overloaded(concurrency.begin())
    for _ in range(5):
        answer_all(concurrency)
    assert 14 <= concurrency.limit <= 15
    for _ in range(20):
        answer_all(concurrency)
    assert concurrency.limit == 20


def test_answers_to_calls_from_before_a_cut_do_not_let_it_grow():
    concurrency = Concurrency("m", 4)
    numbers = [concurrency.begin() for _ in range(4)]
    concurrency.under_way_count = 4
    concurrency.overloaded(numbers[0])
    for number in numbers[1:]:
        concurrency.succeeded(number)
    assert concurrency.limit == 2


def test_it_does_not_grow_unused():
    concurrency = Concurrency("m", 20)
    concurrency.overloaded(concurrency.begin())
    concurrency.under_way_count = 1
    for _ in range(100):
        concurrency.succeeded(concurrency.begin())
    assert concurrency.limit == 10


def test_one_call_may_always_be_under_way():
    concurrency = Concurrency("m", 2)
    for _ in range(5):
        concurrency.overloaded(concurrency.begin())
    assert concurrency.limit == 1
    assert concurrency.has_capacity
