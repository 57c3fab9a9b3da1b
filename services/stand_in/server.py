"""The stand-in's HTTP server."""

import asyncio
import socket
import struct
from typing import Any

import orjson
from aiohttp import web

from services.stand_in.call_counts import CallCounts
from services.stand_in.call_log import ANSWERED, BROKEN_OFF, HUNG, CallLog, LoggedCall
from services.stand_in.chat import NAME, completion, read_prompt, response_text
from services.stand_in.faults import Behaviour, Fault

_MAX_BODY_BYTES = 16 * 1024 * 1024


class StandIn:
    """A server that speaks the OpenAI API without a language model.

    - ``POST /v1/chat/completions`` and ``GET /v1/models`` work as OpenAI's. Every model exists, except those
      whose names start with ``unknown``.
    - ``GET /calls`` returns counts, with every prompt for ``?prompts=1``.
    - ``GET /call-log`` returns the calls, see ``CallLog``. ``?after=N`` skips N of them.
    - ``POST /control`` sets the behaviour, see ``Behaviour``. ``{"reset": true}`` first resets counts, log
      and behaviour. ``{"keep_log": true}`` turns the log on.
    - ``GET /healthz`` returns 200.

    Args:
        port: Port on loopback. 0 selects a free one.
        latency_ms: Latency of every response, in milliseconds.
    """

    def __init__(self, port: int = 0, latency_ms: float = 0.0) -> None:
        self._port = port
        self._latency_ms = latency_ms
        self.behaviour = Behaviour(latency_ms)
        self.counts = CallCounts()
        self.log = CallLog()
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/calls", self._list_calls)
        app.router.add_get("/call-log", self._read_log)
        app.router.add_post("/control", self._control)
        # A handler whose caller disconnects is cancelled, so its call counts as broken off.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """Address such as ``http://127.0.0.1:8080``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """Value for OPENAI_BASE_URL."""
        return f"{self.url}/v1"

    async def start(self) -> None:
        """Starts listening.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Breaks off calls in flight and stops listening. Safe to repeat."""
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            chat = orjson.loads(body)
            prompt = read_prompt(chat["messages"])
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return _json(
                {"error": {"message": "the body is not a chat", "type": "invalid_request_error"}}, 400
            )
        self.counts.start(prompt)
        call = self.log.start(request.headers.get("openai-project", ""), prompt)
        answered = False
        try:
            response = await self._respond(request, chat, body, call)
            answered = True
            return response
        finally:
            self.counts.end(answered=answered)
            call.finish(BROKEN_OFF)  # unless it has another outcome

    async def _respond(
        self, request: web.Request, chat: dict[str, Any], body: bytes, call: LoggedCall
    ) -> web.StreamResponse:
        behaviour = self.behaviour
        call_number = self.counts.call_count
        fault = behaviour.fault(body.decode(), call_number, str(chat.get("model")))
        if behaviour.latency_ms:
            await asyncio.sleep(behaviour.latency_ms / 1000)
        if fault is None and str(chat.get("model")).startswith("unknown"):
            fault = Fault(404, "model_not_found", "no such model")
        if fault is not None and fault.text is None:
            return await _misbehave(request, fault, call)
        text = fault.text if fault is not None and fault.text is not None else response_text(chat["messages"])
        call.finish(ANSWERED)
        return _json(completion(chat, text, call_number), headers={"server": NAME, **behaviour.headers})

    async def _list_models(self, request: web.Request) -> web.Response:
        model = {"id": NAME, "object": "model", "created": 0, "owned_by": NAME}
        return _json({"object": "list", "data": [model]})

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json({"server": NAME})

    async def _list_calls(self, request: web.Request) -> web.Response:
        return _json(self.counts.to_json(all_prompts=request.query.get("prompts") == "1"))

    async def _read_log(self, request: web.Request) -> web.Response:
        return _json(self.log.to_json(int(request.query.get("after", "0"))))

    async def _control(self, request: web.Request) -> web.Response:
        control = await request.json(loads=orjson.loads)
        if control.pop("reset", False):
            self.counts.reset()
            self.log.reset()
            self.behaviour = Behaviour(self._latency_ms)
        self.log.is_kept = control.pop("keep_log", self.log.is_kept)
        try:
            self.behaviour.update(control)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return _json({"error": {"message": str(error)}}, 400)
        return _json({})


async def _misbehave(request: web.Request, fault: Fault, call: LoggedCall) -> web.Response:
    if fault.raw:
        await _send_raw(request, fault)
    if fault.hang:
        await _hang(fault, call)
    call.finish(fault.outcome)
    if (fault.disconnect or fault.hang) and request.transport is not None:
        request.transport.close()
    headers = {"server": NAME}
    if fault.retry_after is not None:
        headers["retry-after"] = fault.retry_after
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        headers = {"server": NAME, "content-type": "application/json", **headers, **fault.headers}
        return web.Response(body=body, status=fault.status, headers=headers)
    error = {
        "message": fault.message,
        "type": fault.code or "stand_in_error",
        "param": None,
        "code": fault.code,
    }
    return _json({"error": error}, fault.status, {**headers, **fault.headers})


async def _send_raw(request: web.Request, fault: Fault) -> None:
    transport = request.transport
    for part in fault.raw:
        if transport is not None and not transport.is_closing():
            transport.write(part.encode("latin-1"))
            await asyncio.sleep(fault.pause_seconds)
    if transport is None or fault.hang:
        return
    if fault.reset:
        linger = struct.pack("ii", 1, 0)  # the close sends RST, not FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.close()


async def _hang(fault: Fault, call: LoggedCall) -> None:
    try:
        async with asyncio.timeout(fault.hang_seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return
    finally:
        call.finish(HUNG)  # whichever side ended it


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        content_type="application/json",
        headers=headers or {"server": NAME},
    )
