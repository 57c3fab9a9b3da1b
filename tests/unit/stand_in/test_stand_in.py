"""The stand-in speaks the OpenAI API, identifies itself, counts calls, and fails on request."""

import asyncio
import contextlib
import time

import aiohttp
import openai
import pytest


async def test_the_openai_library_understands_it(caller):
    client = openai.AsyncOpenAI(
        api_key="x", base_url=caller.stand_in.base_url, http_client=openai.DefaultAioHttpClient()
    )
    completion = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "Labels:\nsales\nlegal"},
            {"role": "user", "content": "Title: Counsel"},
        ],
    )
    assert completion.choices[0].message.content == "legal"
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    models = await client.models.list()
    assert [model.owned_by for model in models.data] == ["headrace-stand-in"]
    await client.close()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Title: Senior Software Engineer\nDepartment: Sales", "engineering"),
        ("Title: Account Executive, Enterprise\nDepartment: Go-To-Market", "sales"),
        ("Title: Nobody knows\nCompany: Legal Sales Engineering", "other"),
        ("Title: Nobody knows\nDepartment: Legal", "legal"),
        ("we need a copywriter", "marketing"),
    ],
)
async def test_labels_are_chosen_by_keywords_of_title_and_department(caller, text, label):
    labels = ("engineering", "legal", "marketing", "other", "sales")
    assert await caller.answer(text, labels=labels) == label


async def test_an_unknown_label_is_found_by_its_own_words(caller):
    assert await caller.answer("the weather in Spain", labels=("sport", "Weather report")) == "Weather report"
    assert await caller.answer("nothing at all", labels=("sport", "Weather report")) == "sport"


async def test_a_chat_without_labels_names_the_stand_in(caller):
    assert "stand-in" in await caller.answer("Hello", labels=())


async def test_a_model_named_unknown_is_not_found(caller):
    status, body = await caller.ask("x", model="unknown-1")
    assert (status, body["error"]["code"]) == (404, "model_not_found")


async def test_a_body_that_is_not_a_chat_is_refused(caller):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{caller.stand_in.base_url}/chat/completions", data=b"{") as response,
    ):
        assert response.status == 400


async def test_calls_are_counted_by_prompt(caller):
    for text in ("a", "b", "a"):
        await caller.ask(text)
    calls = await caller.get("/calls")
    assert calls["call_count"] == calls["answered_count"] == 3
    assert calls["prompts"] == {"a": 2}
    assert (await caller.get("/calls?prompts=1"))["prompts"] == {"a": 2, "b": 1}
    assert 0 < calls["last_call_time"] <= time.time()
    assert calls["last_broken_off_time"] == 0
    await caller.control(reset=True)
    assert (await caller.get("/calls"))["call_count"] == 0


async def test_a_caller_that_disconnects_is_counted_as_broken_off(caller):
    await caller.control(hang_when_contains=["wait for ever"])
    call = asyncio.create_task(caller.ask("wait for ever"))
    async with asyncio.timeout(5):
        while (await caller.get("/calls"))["in_flight_count"] != 1:
            await asyncio.sleep(0.001)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        while (await caller.get("/calls"))["broken_off_count"] != 1:
            await asyncio.sleep(0.001)
    calls = await caller.get("/calls")
    assert calls["in_flight_count"] == 0
    assert 0 < calls["last_call_time"] <= calls["last_broken_off_time"] <= time.time()


async def test_the_next_calls_fail_as_configured_and_then_no_more(caller):
    await caller.control(fail_next=[{"status": 429, "retry_after": 1}, {"status": 500}])
    assert [(await caller.ask("x"))[0] for _ in range(3)] == [429, 500, 200]


async def test_calls_fail_by_what_they_contain(caller):
    await caller.control(
        fail_when_contains={"bad": {"status": 400, "code": "too_bad"}}, answer_when_contains={"odd": "Hm?"}
    )
    assert (await caller.ask("a bad one"))[0] == 400
    assert await caller.answer("an odd one") == "Hm?"
    assert await caller.answer("a sales one") == "sales"


async def test_every_third_call_fails_as_configured(caller):
    await caller.control(every=3, fail_every={"status": 503})
    assert [(await caller.ask("x"))[0] for _ in range(6)] == [200, 200, 503, 200, 200, 503]


BAD_CHANCES = [
    {"fail_randomly": {"seed": 1}},
    {"fail_randomly": {"seed": 1, "faults": [{"probability": 1.5}]}},
    {"fail_randomly": {"seed": 1, "faults": [{"probability": -0.5}]}},
]


@pytest.mark.parametrize(
    "control", [{"latencyms": 1}, {"fail_next": [{"state": 1}]}, {"latency_ms": "x"}, *BAD_CHANCES]
)
async def test_an_unknown_control_is_refused(caller, control):
    assert await caller.control(**control) == 400


STORM = [
    {"probability": 0.1, "status": 429, "retry_after": 1},
    {"probability": 0.1, "status": 500},
    {"probability": 0.1, "body": "{", "status": 200},
    {"probability": 0.1, "disconnect": True},
    {"probability": 0.1, "hang": True, "hang_seconds": 0.01},
]


async def outcomes_of_the_storm(caller, seed, count=200):
    await caller.control(reset=True, keep_log=True, fail_randomly={"seed": seed, "faults": STORM})
    for _ in range(count):
        with contextlib.suppress(aiohttp.ClientError, ValueError):
            await caller.ask("x")
    log = await caller.get("/call-log")
    assert log["call_count"] == count
    return [outcome for *_, outcome in log["calls"]]


async def test_random_faults_are_the_same_for_the_same_seed_and_are_all_in_the_log(caller):
    first = await outcomes_of_the_storm(caller, 1)
    assert set(first) == {"answered", "429", "500", "broken_body", "reset", "hung"}
    assert 60 <= first.count("answered") <= 140
    assert await outcomes_of_the_storm(caller, 1) == first
    assert await outcomes_of_the_storm(caller, 2) != first


async def test_random_faults_stop_once_switched_off(caller):
    await caller.control(fail_randomly={"seed": 1, "faults": [{"probability": 1, "status": 500}]})
    assert (await caller.ask("x"))[0] == 500
    await caller.control(fail_randomly=None)
    assert (await caller.ask("x"))[0] == 200


async def test_the_log_names_caller_prompt_and_times_and_is_read_from_any_position(caller):
    assert (await caller.get("/call-log")) == {"call_count": 0, "calls": []}
    await caller.ask("not kept")
    await caller.control(keep_log=True, latency_ms=20)
    for text in ("a", "b"):
        await caller.ask(text, project="worker-1")
    log = await caller.get("/call-log?after=1")
    [[name, prompt, begin, end, outcome]] = log["calls"]
    assert (log["call_count"], name, prompt, outcome) == (2, "worker-1", "b", "answered")
    assert 0.015 <= end - begin < 5


async def test_the_log_distinguishes_a_hang_from_a_slow_answer_when_the_caller_disconnects(caller):
    await caller.control(keep_log=True, latency_ms=60_000)
    slow = asyncio.create_task(caller.ask("slow"))
    async with asyncio.timeout(5):
        while (await caller.get("/call-log"))["call_count"] < 1:
            await asyncio.sleep(0.001)
    assert (await caller.get("/call-log"))["calls"][0][4] == ""
    await caller.control(latency_ms=0, hang_when_contains=["wait for ever"])
    hung = asyncio.create_task(caller.ask("wait for ever"))
    async with asyncio.timeout(5):
        while (await caller.get("/calls"))["in_flight_count"] < 2:
            await asyncio.sleep(0.001)
        for call in (slow, hung):
            call.cancel()
        await asyncio.gather(slow, hung, return_exceptions=True)
        while (await caller.get("/calls"))["broken_off_count"] < 2:
            await asyncio.sleep(0.001)
    assert [call[4] for call in (await caller.get("/call-log"))["calls"]] == ["broken_off", "hung"]


async def test_a_model_has_a_script_whose_last_line_repeats(caller):
    faults = [{"status": 429}, None, {"status": 500, "body": "gone", "headers": {"x-a": "b"}}]
    assert await caller.control(scripts={"m-1": faults}, fail_all={"status": 503}) == 200
    statuses = []
    for _ in range(4):
        with contextlib.suppress(aiohttp.ContentTypeError, ValueError):
            statuses.append((await caller.ask("x", model="m-1"))[0])
    assert statuses == [429, 200]
    assert (await caller.ask("x", model="m-2"))[0] == 503


async def test_parts_are_sent_in_place_of_a_response(caller):
    parts = ["HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", '{"a":', " 1}"]
    await caller.control(fail_next=[{"raw": parts}, {"raw": ["HTTP/1.1 200 OK\r\n"], "reset": True}])
    assert await caller.ask("x") == (200, {"a": 1})
    with pytest.raises(aiohttp.ClientError):
        await caller.ask("x")
