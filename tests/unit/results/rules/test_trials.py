"""The cut of a trial, and the interval of its cost."""

import random

import pytest

from services.results.rules.trials import CostSums, cut_items, estimate_interval, extrapolate


def interval(costs, is_known=True):
    return estimate_interval(
        CostSums(len(costs), sum(costs), float(sum(cost * cost for cost in costs)), is_known), costs
    )


@pytest.mark.parametrize("trial_end", [1, 7, 16, 17, 99, 100, 101, None])
@pytest.mark.parametrize("first_index", [0, 5, 16, 100])
def test_chunks_cover_the_items_in_order_and_none_is_on_both_sides_of_the_end(trial_end, first_index):
    cuts = cut_items([10] * 100, 10, first_index, trial_end)
    assert [cut.first_index for cut in cuts] == [first_index, *(cut.end_index for cut in cuts[:-1])]
    assert cuts[-1].end_index == first_index + 100
    assert max(cut.item_count for cut in cuts) <= 10
    if trial_end is not None:
        assert not any(cut.first_index < trial_end < cut.end_index for cut in cuts)


def test_equal_costs_have_an_interval_without_width():
    assert interval([5] * 40) == (40, 200, 200, 200)
    assert interval([5] * 4_000) == (4_000, 20_000, 20_000, 20_000)


def test_the_interval_is_the_same_each_time():
    costs = [random.Random(1).randrange(1_000) for _ in range(300)]
    assert interval(costs) == interval(costs)


def test_the_bootstrap_and_the_normal_interval_agree_where_they_meet():
    source = random.Random(2)
    costs = [source.randrange(1_000) for _ in range(501)]
    bootstrap, normal = interval(costs[:500]), interval(costs)
    assert bootstrap.low == pytest.approx(normal.low, rel=0.03)
    assert bootstrap.high == pytest.approx(normal.high, rel=0.03)


def test_about_nineteen_of_twenty_intervals_contain_the_true_mean():
    source = random.Random(3)
    hits = 0
    for _ in range(100):
        found = interval([source.randrange(1_001) for _ in range(40)])
        hits += found.low <= 40 * 500 <= found.high
    assert 88 <= hits <= 99


def test_a_single_item_has_an_interval():
    assert interval([7]) == (1, 7, 7, 7)


def test_nothing_is_known_without_a_price_or_without_items():
    assert interval([0, 0], is_known=False) == (2, None, None, None)
    assert interval([]) == (0, None, None, None)


def test_sums_are_extrapolated_to_the_nearest_micro():
    assert extrapolate(10, 3, 100) == 333
    assert extrapolate(20, 3, 100) == 667


def test_a_forecast_fits_in_a_message():
    assert extrapolate(10**15, 1, 10**7) == 2**62
