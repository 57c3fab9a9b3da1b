"""A completion is found in the envelope of a gateway and in the forms of other APIs."""

import json

import pytest

from services.worker.calls.provider.answers.envelope import open_envelope

ANSWER = {"choices": [{"message": {"content": "Sales"}, "finish_reason": "stop"}]}
ERROR = {"error": {"code": 429}}


@pytest.mark.parametrize("inner", [ANSWER, ERROR])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: inner,
        lambda inner: [inner],
        lambda inner: {"data": inner},
        lambda inner: {"result": {"response": inner}},
        lambda inner: {"statusCode": 200, "body": json.dumps(inner)},
        lambda inner: json.dumps(json.dumps(inner)),
        lambda inner: {"output": inner, "usage": {}},
    ],
)
def test_the_inner_object_is_found(wrap, inner):
    wrapped = wrap(inner)
    assert open_envelope(json.loads(wrapped) if isinstance(wrapped, str) else wrapped) == inner


@pytest.mark.parametrize(
    "body",
    [None, 7, "text", "{", [], [1, 2], {}, {"data": {"x": 1}}, {"data": [ANSWER, ANSWER]}, {"choices": []}],
)
def test_a_body_without_an_answer_stays_as_it_is(body):
    assert open_envelope(body) == body


def test_a_deep_body_is_not_followed():
    body: object = ANSWER
    for _ in range(900):
        body = {"data": body}
    assert open_envelope(body) is body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "message", "content": [], "stop_reason": "refusal"}, "refusal"),
        ({"candidates": [{"finishReason": "SAFETY"}]}, "SAFETY"),
        ({"promptFeedback": {"blockReason": "OTHER"}}, "content_filter"),
        ({"message": {"content": "x"}, "done": True, "done_reason": "length"}, "length"),
        (
            {
                "object": "response",
                "status": "incomplete",
                "output": [],
                "incomplete_details": {"reason": "content_filter"},
            },
            "content_filter",
        ),
        ({"object": "response", "status": "failed", "output": []}, "failed"),
        ({"generated_text": "x", "details": {"finish_reason": "length"}}, "length"),
    ],
)
def test_other_apis_keep_their_reason(body, reason):
    assert open_envelope(body)["choices"][0]["finish_reason"] == reason
