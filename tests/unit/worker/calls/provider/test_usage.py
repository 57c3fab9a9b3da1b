"""Tokens are counted in every form in which servers report them."""

import pytest

from services.worker.calls.provider.usage import read_tokens


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, (9, 2, 0, True)),
        ({"prompt_tokens": 9, "completion_tokens": 0}, (9, 0, 0, True)),
        ({"prompt_tokens": 9.0, "completion_tokens": 2.0}, (9, 2, 0, True)),
        ({"prompt_tokens": 8.2, "completion_tokens": 1.5}, (9, 2, 0, True)),
        ({"prompt_tokens": "9", "completion_tokens": " 2 "}, (9, 2, 0, True)),
        ({"prompt_tokens": "9.0", "completion_tokens": "2e0"}, (9, 2, 0, True)),
        ({"prompt_tokens": 9, "total_tokens": 11}, (9, 2, 0, True)),
        ({"input_tokens": 9, "output_tokens": 2}, (9, 2, 0, True)),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4.0}},
            (9, 2, 4, True),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None},
            (9, 2, 0, True),
        ),
        # Not known.
        (None, (0, 0, 0, False)),
        ([], (0, 0, 0, False)),
        ({}, (0, 0, 0, False)),
        ({"prompt_tokens": None, "completion_tokens": None}, (0, 0, 0, False)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, False)),
        ({"prompt_tokens": 9}, (9, 0, 0, False)),
        ({"completion_tokens": 2}, (0, 2, 0, False)),
        ({"total_tokens": 11}, (0, 0, 0, False)),
        ({"prompt_tokens": -9, "completion_tokens": 2}, (0, 2, 0, False)),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, (0, 0, 0, False)),
        ({"prompt_tokens": "many", "completion_tokens": "nan"}, (0, 0, 0, False)),
        ({"prompt_tokens": True, "completion_tokens": [2]}, (0, 0, 0, False)),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, (0, 2, 0, False)),
    ],
)
def test_tokens_are_read(usage, tokens):
    assert read_tokens({"usage": usage}) == tokens


@pytest.mark.parametrize("response", [None, [], "x", 7, {}])
def test_a_response_without_usage_has_no_tokens(response):
    assert read_tokens(response) == (0, 0, 0, False)
