"""The completion in a response, or the failure in it, whatever form its content has."""

import pytest

from headrace.kinds import ItemFailedError, RetryableError
from services.worker.calls.provider.response import read_completion
from services.worker.calls.provider.usage import Tokens


def response(content, finish_reason="stop", **message):
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": finish_reason}]}


def read(body):
    return read_completion(body, Tokens(9, 3, 1, is_known=True))


@pytest.mark.parametrize(
    ("body", "text", "finish_reason"),
    [
        (response("Sales"), "Sales", "stop"),
        (response(""), "", "stop"),
        (response("Sal", "length"), "Sal", "length"),
        (response(None, "length"), "", "length"),
        (response(None, "length", reasoning_content="Let me think"), "", "length"),
        (response(None, "max_tokens"), "", "max_tokens"),
        (response([], "length"), "", "length"),
        ({"choices": [{"message": None, "finish_reason": "length"}]}, "", "length"),
        (response("Sales", "tool_calls"), "Sales", "tool_calls"),
        (response("Sales", "end_turn"), "Sales", "end_turn"),
        (response("Sales", {"type": "stop"}), "Sales", "stop"),
        (response("Sales", refusal=None), "Sales", "stop"),
        (response("Sales", refusal=""), "Sales", "stop"),
        # Forms of content.
        (response([{"type": "text", "text": "Sal"}, {"type": "text", "text": "es"}]), "Sales", "stop"),
        (response(["Sal", "es"]), "Sales", "stop"),
        (
            response([{"type": "thinking", "thinking": "hm", "text": "hm"}, {"text": "Sales"}]),
            "Sales",
            "stop",
        ),
        (response([{"type": "image_url", "image_url": {}}, {"text": "Sales"}]), "Sales", "stop"),
        (response([{"type": "text", "text": {"value": "Sales", "annotations": []}}]), "Sales", "stop"),
        (response({"type": "text", "text": "Sales"}), "Sales", "stop"),
        (response({"content": "Sales"}), "Sales", "stop"),
        (response({"parts": [{"text": "Sales"}]}), "Sales", "stop"),
        (response({"label": "Sales"}), '{"label":"Sales"}', "stop"),
        (response(7), "7", "stop"),
        (response(0.5), "0.5", "stop"),
        (response(True), "true", "stop"),
        # Forms of the choice.
        ({"choices": [{"text": "Sales", "finish_reason": "stop"}]}, "Sales", "stop"),
        ({"choices": [{"message": "Sales", "finish_reason": "stop"}]}, "Sales", "stop"),
        ({"choices": [{"delta": {"content": "Sales"}, "finish_reason": "stop"}]}, "Sales", "stop"),
        ({"choices": {"message": {"content": "Sales"}, "finish_reason": "stop"}}, "Sales", "stop"),
        ({"choices": [{"message": {"content": "Sales"}}]}, "Sales", ""),
    ],
)
def test_the_text_is_found(body, text, finish_reason):
    completion = read(body)
    assert (completion.text, completion.finish_reason) == (text, finish_reason)
    assert (completion.input_tokens, completion.output_tokens, completion.cached_tokens) == (9, 3, 1)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (response(None, "tool_calls", tool_calls=[{"id": "1"}]), "tool_calls"),
        (response("", "tool_calls", tool_calls=[{"id": "1"}]), "tool_calls"),
        (response(None, "function_call"), "function_call"),
        (response(None), "finish_reason stop"),
        (response([]), "finish_reason stop"),
        (response({}), "finish_reason stop"),
        (response([{"type": "image_url", "image_url": {}}]), "finish_reason stop"),
        (response([{"type": "thinking", "thinking": "hm"}]), "finish_reason stop"),
        ({"choices": [{"message": None, "finish_reason": "stop"}]}, "finish_reason stop"),
        ({"choices": [{"finish_reason": "stop"}]}, "finish_reason stop"),
        # A failure, whatever the content holds.
        (response("Sales", None), "finish_reason as null"),
        (response("", None), "finish_reason as null"),
        (response("Sales", "content_filter"), "content_filter"),
        (response(None, "content_filter"), "content_filter"),
        (response("Sales", "SAFETY"), "SAFETY"),
        (response("Sales", "PROHIBITED_CONTENT"), "PROHIBITED_CONTENT"),
        (response("Sales", "RECITATION"), "RECITATION"),
        (response("Sales", "guardrail_intervened"), "guardrail_intervened"),
        (response("Sales", "refusal"), "refusal"),
        (response("Sales", refusal="I cannot do that."), "refused to respond"),
        (response(None, refusal="I cannot do that."), "refused to respond"),
        (response([{"type": "refusal", "refusal": "no"}, {"text": "Sales"}]), "refused to respond"),
    ],
)
def test_an_answer_without_use_fails_the_item_at_once(body, named):
    with pytest.raises(ItemFailedError) as raised:
        read(body)
    assert type(raised.value) is ItemFailedError
    assert raised.value.reason == "PROVIDER_REFUSED_INPUT"
    assert named in raised.value.message


@pytest.mark.parametrize(
    "finish_reason",
    ["error", "abort", "network_error", "server_error", "cancelled", "insufficient_system_resource"],
)
def test_an_answer_that_the_provider_broke_off_is_asked_for_again(finish_reason):
    with pytest.raises(RetryableError) as raised:
        read(response("Sal", finish_reason))
    assert raised.value.reason == "PROVIDER_ERROR"
    assert finish_reason in raised.value.message


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "Sales",
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": ["Sales"]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": None}}]},
        response(None, None),
    ],
)
def test_a_response_without_a_completion_is_broken(body):
    with pytest.raises(RetryableError) as raised:
        read(body)
    assert raised.value.reason == "BROKEN_ANSWER"


def test_a_very_long_finish_reason_is_cut():
    assert len(read(response("Sales", "x" * 10_000)).finish_reason) == 64
