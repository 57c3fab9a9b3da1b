"""Celery on Redis, as its tutorials set it up: ``celery -A tests.bench.peers.celery_app worker``.

BENCH_REDIS_URL is the broker and the result back end, BENCH_PROVIDER_URL the provider.
"""

import asyncio
import os

from celery import Celery

from tests.bench.peers.chat import LABELS, MODEL, chat

REDIS_URL = os.environ["BENCH_REDIS_URL"]
PROVIDER_URL = os.environ.get("BENCH_PROVIDER_URL", "")

app = Celery("bench", broker=REDIS_URL, backend=REDIS_URL)


@app.task
def noop(item: dict[str, object]) -> dict[str, object]:
    """Does nothing."""
    return {}


@app.task
def classify_in_turn(item_count: int) -> list[str]:
    """Makes one call after another with the synchronous client, as tutorials show."""
    import openai

    with openai.OpenAI(base_url=PROVIDER_URL, api_key="bench", max_retries=0) as client:
        labels = []
        for number in range(item_count):
            completion = client.chat.completions.create(model=MODEL, messages=chat(number))  # type: ignore[arg-type]
            labels.append(completion.choices[0].message.content or "")
    assert all(label in LABELS for label in labels)
    return labels


@app.task
def classify_together(item_count: int, concurrency: int) -> list[str]:
    """Runs ``asyncio.gather`` over the typed client inside the task."""
    from tests.bench.peers.gather import gather_all, typed_client

    async def run() -> list[str]:
        async with typed_client(PROVIDER_URL, concurrency, aiohttp_back_end=False) as complete:
            return await gather_all(complete, item_count, concurrency)

    return asyncio.run(run())
