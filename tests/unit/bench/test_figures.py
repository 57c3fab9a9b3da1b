"""Percentiles, comparisons and rates of the bench."""

import pytest

from tests.bench.figures import Figures, drain_rate, percentile, staleness_ms


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(200, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (100, 198, 200)
    assert (percentile([7.0], 99), percentile([], 50)) == (7.0, 0.0)


def test_a_comparison_is_the_median_of_the_ratios_of_all_rounds():
    figures = Figures("")
    for ours, theirs in ((10.0, 1.0), (30.0, 10.0), (40.0, 20.0)):
        figures.add("ours", rate=ours)
        figures.add("theirs", rate=theirs)
    figures.compare("ours", "theirs", "rate", "at least 3", lambda ratio: ratio >= 3)
    assert figures.comparisons[0].rounds == [10.0, 3.0, 2.0]
    assert (figures.comparisons[0].median, figures.comparisons[0].is_met) == (3.0, True)


def test_a_contender_without_figures_is_not_compared():
    figures = Figures("")
    figures.add("ours", rate=1.0)
    figures.compare("ours", "theirs", "rate")
    figures.judge("theirs", "rate", "over 0", lambda rate: rate > 0)
    assert figures.comparisons == []


def test_contenders_with_different_numbers_of_rounds_are_compared_by_their_medians():
    figures = Figures("")
    for rate in (1.0, 2.0, 9.0):
        figures.add("small", rate=rate)
    figures.add("large", rate=3.0)
    figures.compare("large", "small", "rate")
    assert figures.comparisons[0].rounds == [1.5]


def test_a_drain_counts_from_the_first_end_to_the_last():
    assert drain_rate([13.0, 10.0, 12.0, 11.0]) == 1.0
    assert drain_rate([10.0]) == drain_rate([]) == 0.0


def test_a_reader_knows_of_a_commit_from_the_first_snapshot_with_its_seq_or_a_later_one():
    commits = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    arrivals = [(1, 1.5), (3, 3.25), (4, 4.5)]
    assert staleness_ms(commits, arrivals) == pytest.approx([1250.0, 250.0, 500.0])


def test_commits_before_the_first_snapshot_or_never_seen_are_ignored():
    assert staleness_ms([(1, 1.0), (2, 2.0), (3, 3.0)], [(2, 5.0)]) == []
    assert staleness_ms([(1, 1.0)], []) == []
