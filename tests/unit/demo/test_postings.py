"""The postings are real and unique, and any first part of them is a fair sample."""

from collections import Counter

import orjson

from examples.demo.postings import read_postings

MB = 1024 * 1024


def test_every_posting_is_there_once():
    postings = read_postings()
    assert len(postings) == 17_269
    assert len({posting.category for posting in postings}) == 15


def test_a_second_reading_gives_the_same_order():
    assert read_postings() == read_postings()


def test_the_first_ten_thousand_mirror_the_categories_of_all():
    postings = read_postings()
    everything = Counter(posting.category for posting in postings)
    sample = Counter(posting.category for posting in postings[:10_000])
    for category, count in everything.items():
        assert abs(sample[category] / 10_000 - count / 17_269) < 0.01


def test_the_category_is_not_shown_to_the_model():
    assert {tuple(posting.item) for posting in read_postings()} == {
        ("title", "company", "department", "location")
    }


def test_ten_thousand_fit_in_one_request():
    items = [orjson.dumps(posting.item) for posting in read_postings()[:10_000]]
    assert sum(len(item) + 8 for item in items) < 3 * MB
