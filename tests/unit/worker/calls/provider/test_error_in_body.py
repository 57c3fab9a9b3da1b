"""An error in a response with status 200 has the meaning of the status that it names."""

import orjson
import pytest

from headrace.kinds import Message, RetryableError
from services.stand_in import Fault
from services.worker.calls.provider import CompletionRequest

ASK = CompletionRequest("m", [Message("user", "Title: General Counsel")])
TEXT = {"message": {"content": "Sales"}, "finish_reason": "stop"}


async def test_tokens_next_to_an_error_are_counted(provider, stand_in, usage):
    body = {"error": {"code": 502}, "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    stand_in.behaviour.fail_next = [Fault(body=orjson.dumps(body).decode())]
    with pytest.raises(RetryableError):
        await provider.complete(ASK, usage)
    assert (usage.input_tokens, usage.output_tokens) == (9, 2)


@pytest.mark.parametrize("nothing", [None, {}, "", [], False, {"code": None, "message": None}])
async def test_an_empty_error_is_not_an_error(provider, stand_in, usage, nothing):
    body = {"choices": [TEXT], "error": nothing}
    stand_in.behaviour.fail_next = [Fault(body=orjson.dumps(body).decode())]
    assert (await provider.complete(ASK, usage)).text == "Sales"
