"""A real child process, with a kind whose items say what to do."""

import asyncio
import textwrap
from functools import partial

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2
from services.worker.items.quarantine import Quarantine

KIND = """
import asyncio, ctypes, os, time
from pydantic import BaseModel
from headrace.kinds import Kind

class NoParams(BaseModel):
    pass

async def run(params, item, context):
    what, _, path = item.partition(" ") if isinstance(item, str) else (item, "", "")
    if path:
        open(path, "w").close()  # it has started
    match what:
        case "exit":
            os._exit(7)
        case "segfault":
            ctypes.string_at(0)
        case "allocate":
            bytearray(4 * 1024**3)
        case "block":
            time.sleep(3600)
        case "wait":
            await asyncio.sleep(3600)
        case "pid":
            return os.getpid()
        case "complete":
            return (await context.complete([])).text
    return item

RISKY = Kind(name="risky", description="Does what its items say.", params_model=NoParams, run=run)
"""


@pytest.fixture
def risky_kind(tmp_path, monkeypatch):
    """Installs the kind ``risky``, as another distribution would, for child processes."""
    distribution = tmp_path / "risky_kind-1.dist-info"
    distribution.mkdir()
    (tmp_path / "risky_kind.py").write_text(textwrap.dedent(KIND))
    (distribution / "entry_points.txt").write_text("[headrace.kinds]\nrisky = risky_kind:RISKY\n")
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: risky-kind\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
async def quarantine(risky_kind):
    quarantine = Quarantine(
        worker_pb2.ChildSetup(
            log_level="INFO", model="stand-in", redis_url="memory://", memory_bytes=512 * 1024 * 1024
        )
    )
    yield quarantine
    await quarantine.close()


@pytest.fixture
def run_leased(quarantine):
    """Runs a leased item of the kind."""
    spec = results_pb2.JobSpec(
        job_id="j", tenant="t", kind="risky", params="{}", job_class=jobs_pb2.JOB_CLASS_DEFAULT
    )
    return partial(quarantine.run, spec)


@pytest.fixture
def run(run_leased):
    """Runs an item of the kind; the argument is its JSON text."""

    async def run_one(text):
        return await run_leased(results_pb2.LeasedItem(item_index=0, input=text))

    return run_one


@pytest.fixture
async def silent_provider(monkeypatch):
    """A provider that never answers; yields an event that is set at its first request."""
    asked = asyncio.Event()

    async def listen(reader, writer):
        while await reader.read(65536):
            asked.set()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    yield asked
    server.close()


@pytest.fixture
async def begin(run, tmp_path):
    """Starts an item of the kind, and waits until it is in flight in the child."""
    begun = []

    async def begin_one(what):
        mark = tmp_path / f"begun-{len(begun)}"
        begun.append(asyncio.create_task(run(f'"{what} {mark}"')))
        while not mark.exists():
            await asyncio.sleep(0.01)
        return begun[-1]

    yield begin_one
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
