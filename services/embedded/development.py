"""The embedded system for development: ``headrace dev``, which finds it by its entry point.

Its data lies in one folder, its logs are for people, and without a provider it brings a stand-in.
"""

import asyncio
import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from services.embedded.settings import EmbeddedSettings
from services.shared.settings import read_settings

_PROVIDER_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
# Like a fast real model: progress can be watched, and a first job ends soon.
_STAND_IN_LATENCY_MS = 200.0
_USUAL_TARGET = "127.0.0.1:50051"
_ITEM = '{"title": "Accountant"}'
_PARAMS = '{"labels": ["Finance", "Design"], "template": "Classify: {title}"}'
_NOT_STARTED = 1
_BAD_USE = 2


def serve(data: Path, listen: str | None) -> int:
    """Serves until a signal. The process then ends with code 0, or 1 if the system did not start.

    Args:
        data: Folder of the database, created if missing. HEADRACE_DATABASE_URL names another database.
        listen: Address of the gateway. Default: HEADRACE_LISTEN, or 127.0.0.1:50051.

    Returns:
        Exit code if the folder cannot be used: 1, or 2 if another system uses it.
    """
    folder = data.expanduser().resolve()
    try:
        lock = _take(folder)
    except BlockingIOError:
        return _refuse(f"another `headrace dev` uses {folder}: name another folder with --data", _BAD_USE)
    except OSError as error:
        return _refuse(f"cannot use the folder {folder}: {error.strerror or error}", _NOT_STARTED)
    try:
        return _serve_on(folder, listen)
    finally:
        os.close(lock)


def _take(folder: Path) -> int:
    """Creates and locks a folder that git ignores, and returns the descriptor of its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _refuse(text: str, code: int) -> int:
    with suppress(OSError):
        print(f"error: {text}", file=sys.stderr)
    return code


def _serve_on(folder: Path, listen: str | None) -> int:
    from services.shared.logging import configure_logging
    from services.shared.metrics_server import serve_metrics
    from services.shared.process import collect_garbage_rarely, end_process
    from services.worker.calls.provider.profiles import read_profiles

    if not os.environ.get("HEADRACE_DATABASE_URL"):
        os.environ["HEADRACE_DATABASE_URL"] = f"sqlite+aiosqlite:///{folder / 'headrace.db'}"
    if listen is not None:
        os.environ["HEADRACE_LISTEN"] = listen
    settings = read_settings(EmbeddedSettings, provider_profiles=read_profiles)
    configure_logging("dev", settings.log_level, for_people=True)
    collect_garbage_rarely()
    with serve_metrics(settings.metrics_listen):
        end_process(asyncio.run(_run(settings, folder)))


async def _run(settings: EmbeddedSettings, folder: Path) -> int:
    from services.embedded.running import run
    from services.stand_in import StandIn

    has_provider = any(os.environ.get(name) for name in _PROVIDER_VARIABLES)
    stand_in = None if has_provider else StandIn(latency_ms=_STAND_IN_LATENCY_MS)
    if stand_in is not None:
        await stand_in.start()
        os.environ.update(OPENAI_BASE_URL=stand_in.base_url, OPENAI_API_KEY="stand-in")

    def announce(target: str) -> None:
        with suppress(OSError):  # a full or closed output does not end the system
            print("\n".join(_welcome(target, folder, has_provider)), flush=True)

    try:
        return await run(settings, announce)
    finally:
        if stand_in is not None:
            await stand_in.stop()


def _welcome(target: str, folder: Path, has_provider: bool) -> list[str]:
    model = "a stand-in that answers by keyword rules, not a model; set OPENAI_API_KEY to call a real one"
    if has_provider:
        model = f"{os.environ.get('OPENAI_BASE_URL') or 'the OpenAI API'}, which may cost money"
    address = "" if target == _USUAL_TARGET else f" --target {target}"
    return [
        f"Headrace is ready: gateway at {target}",
        f"  data   {folder}",
        f"  calls  {model}",
        "",
        "A first job, in another terminal (Ctrl-C here stops the system, and keeps its data):",
        f"  echo '{_ITEM}' | headrace submit llm.classify{address} --items - --watch \\",
        f"      --params '{_PARAMS}'",
        "",
    ]
