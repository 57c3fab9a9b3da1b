"""A stand-in for each test, and an HTTP client for it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.stand_in import StandIn


class Caller:
    def __init__(self, session: aiohttp.ClientSession, stand_in: StandIn) -> None:
        self._session = session
        self.stand_in = stand_in

    async def ask(
        self, text: str, labels=("sales", "legal"), model: str = "m", project=""
    ) -> tuple[int, dict]:
        messages = [{"role": "user", "content": text}]
        if labels:
            messages.insert(0, {"role": "system", "content": "Choose.\n\nLabels:\n" + "\n".join(labels)})
        body = {"model": model, "messages": messages}
        url, headers = f"{self.stand_in.base_url}/chat/completions", {"OpenAI-Project": project}
        async with self._session.post(url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def answer(self, text: str, **options) -> str:
        status, body = await self.ask(text, **options)
        assert status == 200
        return body["choices"][0]["message"]["content"]

    async def get(self, path: str) -> dict:
        async with self._session.get(self.stand_in.url + path) as response:
            return await response.json()

    async def control(self, **control) -> int:
        async with self._session.post(f"{self.stand_in.url}/control", json=control) as response:
            return response.status


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    stand_in = StandIn()
    await stand_in.start()
    async with aiohttp.ClientSession() as session:
        yield Caller(session, stand_in)
    await stand_in.stop()
