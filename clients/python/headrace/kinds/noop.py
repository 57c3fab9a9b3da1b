"""The kind ``noop``: does nothing, for tests and measurements."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from headrace.kinds.kind import ItemContext, JsonValue, Kind


class NoopParams(BaseModel):
    """Params of ``noop``.

    Attributes:
        sleep_ms: Duration of each item in milliseconds.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    sleep_ms: int = Field(default=0, ge=0, le=3_600_000, description="Duration of each item in milliseconds.")


async def run_noop(params: NoopParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns an empty object after the requested time, for any item."""
    if params.sleep_ms:
        await asyncio.sleep(params.sleep_ms / 1000)
    return {}


NOOP = Kind(
    name="noop",
    description="Waits sleep_ms for each item and does nothing else. For tests and measurements.",
    params_model=NoopParams,
    run=run_noop,
    estimate=lambda params, item: (),
)
