"""The migration as a step of a deployment, with a database that is not there yet."""

import asyncio
import json
import os
import signal
import sys

import pytest
import structlog
from sqlalchemy.engine import make_url

from deploy.local.ports import spare_port
from services.results.app import ResultsApp
from services.results.database import migration_step
from services.results.database.migration_step import migrate_once_reachable
from services.results.settings import ResultsSettings
from tests.waiting import until

NOWHERE = "postgresql://user:planted-password@127.0.0.1:1/headrace"


@pytest.fixture
def attempts(monkeypatch):
    """Waits for logged attempts instead of seconds."""
    monkeypatch.setattr(migration_step, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(migration_step, "MAX_WAIT_SECONDS", 0.05)
    with structlog.testing.capture_logs() as lines:
        yield lambda: [line for line in lines if line["event"] == "database_awaited"]


async def forward(port, host, target_port):
    """Starts to forward connections on a port of the loopback to a server."""

    async def copy(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def connect(reader, writer):
        server_reader, server_writer = await asyncio.open_connection(host, target_port)
        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer))

    return await asyncio.start_server(connect, "127.0.0.1", port)


async def test_it_waits_until_postgresql_can_be_reached_and_migrates(make_database, attempts):
    url = make_url(make_database())
    port = spare_port()
    awaited = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    waiting = asyncio.create_task(migrate_once_reachable(awaited))
    await until(lambda: len(attempts()) > 2)
    assert not waiting.done()
    server = await forward(port, url.host or "127.0.0.1", url.port)
    await waiting
    server.close()
    app = ResultsApp(
        ResultsSettings(listen="127.0.0.1:0", database_url=url.render_as_string(False), drain_seconds=0)
    )
    await app.start()
    await app.stop()


async def test_it_logs_the_address_that_it_waits_for_without_user_and_password(attempts):
    waiting = asyncio.create_task(migrate_once_reachable(NOWHERE + "?password=planted-password"))
    await until(attempts)
    waiting.cancel()
    (first, *_) = attempts()
    assert first["database"] == "postgresql://127.0.0.1:1/headrace"
    assert first["reason"] == "STORE_UNAVAILABLE"


async def test_a_signal_ends_the_wait_at_once():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.results", "migrate", "--wait",
        env={"PATH": os.environ["PATH"], "HEADRACE_DATABASE_URL": NOWHERE},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    lines = []
    async for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == "database_awaited":
            process.send_signal(signal.SIGTERM)
    assert await process.wait() == 1
    assert lines[-1]["event"] == "migration_stopped"
    assert "planted-password" not in str(lines)
