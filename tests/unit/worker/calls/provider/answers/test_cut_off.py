"""JSON that was cut off behind the answer still holds it."""

import pytest

from services.worker.calls.provider.answers.cut_off import read_cut_off

WHOLE = (
    '{"choices": [{"message": {"content": "a \\" } ] b"}, "finish_reason": "stop"}], '
    '"usage": {"prompt_tokens": 9}}'
)
ANSWER_END = WHOLE.index('}], "usage"')


@pytest.mark.parametrize("end", range(ANSWER_END + 1, len(WHOLE)))
def test_the_answer_is_found_wherever_the_rest_was_cut_off(end):
    found = read_cut_off(WHOLE[:end])
    assert found is not None
    assert found["choices"] == [{"message": {"content": 'a " } ] b'}, "finish_reason": "stop"}]


@pytest.mark.parametrize("end", range(ANSWER_END + 1))
def test_an_answer_that_may_be_cut_off_itself_is_not_one(end):
    assert read_cut_off(WHOLE[:end]) is None


@pytest.mark.parametrize(
    "text", ['{"finish_reason": ]', '{"finish_reason": "stop"', '{"choices": [], "finish_reason": 1']
)
def test_other_texts_are_no_answer(text):
    assert read_cut_off(text) is None
