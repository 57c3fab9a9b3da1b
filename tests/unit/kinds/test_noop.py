"""noop does nothing for the requested time."""

import pytest

from headrace.errors import InvalidArgumentError
from headrace.kinds import builtin_kinds, params_schema, validate_params
from headrace.kinds.noop import noop_kind

NOOP = builtin_kinds()["noop"]


@pytest.mark.parametrize("item", [None, 1, "x", {"a": [1]}])
async def test_noop_returns_an_empty_object_whatever_the_item_is(context_with, item):
    assert await NOOP.run(validate_params(NOOP, '{"sleep_ms": 1}'), item, context_with()) == {}


@pytest.mark.parametrize("max_seconds", [60.0, 0.5, 3600.0])
def test_a_gateway_limits_the_sleep_of_an_item(max_seconds):
    kind = noop_kind(max_seconds)
    most = round(max_seconds * 1000)
    assert validate_params(kind, f'{{"sleep_ms": {most}}}').sleep_ms == most
    with pytest.raises(InvalidArgumentError, match=f"less than or equal to {most}"):
        validate_params(kind, f'{{"sleep_ms": {most + 1}}}')
    assert f'"maximum":{most}' in params_schema(kind)


def test_workers_run_every_stored_job():
    assert validate_params(NOOP, '{"sleep_ms": 3600000}').sleep_ms == 3_600_000
