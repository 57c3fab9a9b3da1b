"""A client of FastAPI and Celery that submits a task and polls until it has ended."""

import asyncio
from typing import Any

import aiohttp


class PollingClient:
    """One HTTP client. Use it as ``async with PollingClient(url) as client:``.

    Args:
        url: Address of FastAPI.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> "PollingClient":
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def submit(self, task: str, *arguments: Any) -> str:
        """Returns the id of a new task."""
        async with self._session.post(f"{self._url}/jobs/{task}", json=arguments) as response:
            response.raise_for_status()
            return str((await response.json())["id"])

    async def wait(self, task_id: str, every_seconds: float) -> None:
        """Polls until the task has succeeded, at once and then after each pause.

        Raises:
            RuntimeError: The task failed.
        """
        while (state := await self._state(task_id)) != "SUCCESS":
            if state == "FAILURE":
                raise RuntimeError(f"task {task_id} failed")
            await asyncio.sleep(every_seconds)

    async def _state(self, task_id: str) -> str:
        async with self._session.get(f"{self._url}/jobs/{task_id}") as response:
            response.raise_for_status()
            return str((await response.json())["state"])
