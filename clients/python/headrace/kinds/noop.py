"""The kind ``noop``: does nothing, for trying and measuring."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from headrace.kinds.kind import ItemContext, JsonValue, Kind


class NoopParams(BaseModel):
    """Params of ``noop``.

    Attributes:
        sleep_ms: How long each item takes, in milliseconds.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    sleep_ms: int = Field(
        default=0, ge=0, le=3_600_000, description="How long each item takes, in milliseconds."
    )


async def run_noop(params: NoopParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns an empty object, after the wanted time, whatever the item is."""
    if params.sleep_ms:
        await asyncio.sleep(params.sleep_ms / 1000)
    return {}


NOOP = Kind(
    name="noop",
    description="Does nothing with an item but wait sleep_ms; for trying and measuring.",
    params_model=NoopParams,
    run=run_noop,
    estimate=lambda params, item: (),
)
