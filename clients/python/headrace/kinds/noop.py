"""The kind ``noop``: does nothing, for tests and measurements."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field, create_model

from headrace.kinds.kind import ItemContext, JsonValue, Kind

# Longest duration of an item that a gateway may accept, in seconds.
MAX_SLEEP_SECONDS = 3_600
_DESCRIPTION = "Duration of each item in milliseconds."


class NoopParams(BaseModel):
    """Params of ``noop``.

    Attributes:
        sleep_ms: Duration of each item in milliseconds.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    sleep_ms: int = Field(default=0, ge=0, le=MAX_SLEEP_SECONDS * 1000, description=_DESCRIPTION)


async def run_noop(params: NoopParams, item: JsonValue, context: ItemContext) -> JsonValue:
    """Returns an empty object after the requested time, for any item."""
    if params.sleep_ms:
        await asyncio.sleep(params.sleep_ms / 1000)
    return {}


def noop_kind(max_seconds: float = MAX_SLEEP_SECONDS) -> Kind[NoopParams]:
    """Returns the kind ``noop``.

    Args:
        max_seconds: Longest duration of an item that a job may ask for, in seconds. Gateways set it. Workers
            run every stored job.
    """
    limited = Field(default=0, ge=0, le=int(max_seconds * 1000), description=_DESCRIPTION)
    return Kind(
        name="noop",
        description="Waits sleep_ms for each item and does nothing else. For tests and measurements.",
        params_model=create_model("NoopParams", __base__=NoopParams, sleep_ms=(int, limited)),
        run=run_noop,
        estimate=lambda params, item: (),
    )


NOOP = noop_kind()
