"""noop does nothing for the requested time."""

import pytest

from headrace.kinds import builtin_kinds, validate_params

NOOP = builtin_kinds()["noop"]


@pytest.mark.parametrize("item", [None, 1, "x", {"a": [1]}])
async def test_noop_returns_an_empty_object_whatever_the_item_is(context_with, item):
    assert await NOOP.run(validate_params(NOOP, '{"sleep_ms": 1}'), item, context_with()) == {}
