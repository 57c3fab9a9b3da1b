"""Outputs as objects of a type that the caller names."""

import asyncio
import dataclasses
import datetime
import json
import typing
from typing import Literal, NotRequired, TypedDict

import pydantic
import pytest

from headrace import InvalidArgumentError, ItemState, OutputMismatchError

pytestmark = pytest.mark.usefixtures("ended")


class Address(TypedDict):
    city: str
    zip: NotRequired[str]


class Model(pydantic.BaseModel):
    title: str
    day: datetime.date
    score: float = 0.5


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Posting(TypedDict, total=False):
    title: typing.Required[str]
    address: Address
    others: list[Address]


async def outputs(results):
    return [result.output async for result in results]


async def test_outputs_become_objects_of_a_pydantic_model(client, record, job_id):
    record({"title": "a", "day": "2026-11-30", "extra": 1})
    (output,) = await outputs(client.results(job_id, output_type=Model))
    assert output == Model(title="a", day=datetime.date(2026, 11, 30))


async def test_outputs_become_dataclasses(client, record, job_id):
    record({"x": 1})
    assert await outputs(client.results(job_id, output_type=Point)) == [Point(1, 0)]


async def test_outputs_become_typed_dicts_of_the_standard_library(client, record, job_id):
    good = {"title": "a", "address": {"city": "b"}, "others": [{"city": "c", "zip": "1"}]}
    record(good, {"title": "a", "address": {"zip": "1"}})
    results = client.results(job_id, output_type=Posting)
    assert (await anext(results)).output == good
    with pytest.raises(OutputMismatchError, match=r"address\.city: Field required"):
        await anext(results)


@pytest.mark.parametrize(
    ("output_type", "value"),
    [(list[int], [1, 2]), (Literal["a"], "a"), (dict[str, float], {"k": 1.5}), (str, "x")],
)
async def test_other_types_work_too(client, record, job_id, output_type, value):
    record(json.dumps(value))
    assert await outputs(client.results(job_id, output_type=output_type)) == [value]


async def test_an_output_of_another_type_raises_with_its_item_and_field(client, record, job_id):
    record({"x": 1}, {"x": "many", "y": None}, keys=["k0", "k1"])
    results = client.results(job_id, output_type=Point)
    assert (await anext(results)).output == Point(1)
    with pytest.raises(OutputMismatchError) as caught:
        await anext(results)
    error = caught.value
    assert (error.item_index, error.field, error.reason) == (1, "x", "OUTPUT_MISMATCH")
    assert error.message.startswith(
        "item 1 (key 'k1'): the output is not Point: x: Input should be a valid integer"
    )
    assert "; y: Input should be a valid integer" in error.message
    assert isinstance(error, InvalidArgumentError)


async def test_an_output_of_another_type_is_a_failed_result_if_asked(client, record, job_id):
    record({"x": "many"}, None, {"x": 3})
    results = client.results(job_id, output_type=Point, on_mismatch="fail")
    wrong, failed, good = await results.to_list()
    assert (wrong.state, wrong.output, wrong.error.reason) == (ItemState.FAILED, None, "OUTPUT_MISMATCH")
    assert wrong.error.message.startswith("the output is not Point: x: ")
    assert wrong.output_text == '{"x": "many"}'
    assert (failed.error.reason, failed.output) == ("TIMEOUT", None)
    assert (good.state, good.output) == (ItemState.SUCCEEDED, Point(3))


async def test_many_faults_are_told_in_short(client, record, job_id):
    record(json.dumps([str(number) + "x" for number in range(9)]))
    with pytest.raises(OutputMismatchError, match=r"0: .*; 1: .*; 2: .*; and 6 more$"):
        await client.results(job_id, output_type=list[int]).to_list()


async def test_half_an_emoji_is_told_as_such(client, record, job_id):
    record('"\\ud83d"')
    with pytest.raises(OutputMismatchError, match="half of an emoji"):
        await client.results(job_id, output_type=str).to_list()


async def test_tables_of_typed_results_hold_defaults_and_converted_values(client, record, job_id, tmp_path):
    record({"x": "5"}, {"x": "many"})
    results = client.results(job_id, output_type=Point, on_mismatch="fail")
    frame = await results.to_pandas()
    assert frame["output.x"].tolist()[0] == 5
    assert frame["output.y"].tolist()[0] == 0
    assert frame["error.reason"].tolist()[1] == "OUTPUT_MISMATCH"
    await results.to_jsonl(tmp_path / "out.jsonl")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["output"], second["output"]) == ({"x": 5, "y": 0}, None)


async def test_a_type_that_cannot_be_validated_is_refused_at_once(client, job_id):
    class Unknown:
        pass

    with pytest.raises(InvalidArgumentError, match=r"output_type: .*Unknown cannot be validated"):
        client.results(job_id, output_type=Unknown)
    with pytest.raises(InvalidArgumentError, match="on_mismatch: must be raise or fail"):
        client.results(job_id, output_type=Point, on_mismatch="skip")


async def test_the_sync_client_has_typed_results_too(sync_client, record, job_id):
    record({"x": 1})
    results = await asyncio.to_thread(lambda: list(sync_client.results(job_id, output_type=Point)))
    assert [result.output for result in results] == [Point(1)]
