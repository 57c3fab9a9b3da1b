"""A real Chromium, driven through its devtools."""

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any, Self

import aiohttp

_START_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Page:
    """One page of a browser. Use it as an async context manager.

    Attributes:
        requested: URLs of all requests of the page.
        sent_headers: Headers of each request as they were sent, by their names in lower case.
        complaints: Errors of the page: exceptions, and refusals of its policies.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.requested: list[str] = []
        self.sent_headers: list[dict[str, str]] = []
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-port=0", f"--user-data-dir={self._folder}", "about:blank",
        ]  # fmt: skip
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        self._process = await asyncio.create_subprocess_exec(
            self._program, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env=environment, start_new_session=True,
        )  # fmt: skip
        self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(_START_SECONDS):
                url = await self._page_url()
                self._socket = await self._session.ws_connect(url, max_msg_size=0)
        except BaseException:
            await self._end()
            raise
        self._reading = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.command(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._socket.close()
        await self._end()

    async def _end(self) -> None:
        await self._session.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _page_url(self) -> str:
        port_file = self._folder / "DevToolsActivePort"
        while not (port_file.exists() and "\n" in port_file.read_text()):
            assert self._process.returncode is None, "the browser ended"
            await asyncio.sleep(_POLL_SECONDS)
        port = port_file.read_text().split()[0]
        while True:
            async with self._session.get(f"http://127.0.0.1:{port}/json") as response:
                pages = [each for each in await response.json() if each["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
            await asyncio.sleep(_POLL_SECONDS)

    async def _read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                self._answers.pop(content["id"]).set_result(content)
            else:
                self._note(content["method"], content["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Network.requestWillBeSentExtraInfo":
            self.sent_headers.append({name.lower(): value for name, value in params["headers"].items()})
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["source"] == "security":
            self.complaints.append(params["entry"]["text"])

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Returns the result of a command of the devtools."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await self._answers[number]
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, url: str) -> None:
        """Opens a URL, and waits until the page and its modules are loaded."""
        await self.command("Page.navigate", url=url)
        await self.wait_for(
            f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'"
        )

    async def value(self, expression: str) -> Any:
        """Returns the value of an expression in the page."""
        result = await self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 30.0) -> None:
        """Waits until an expression is true in the page."""
        async with asyncio.timeout(seconds):
            while not await self.value(expression):
                await asyncio.sleep(_POLL_SECONDS)
