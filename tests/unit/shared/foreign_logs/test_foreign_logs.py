"""Whatever a service prints is one JSON object on each line, without texts of exceptions and metadata."""

import json
import re
import subprocess
import sys
import textwrap

import pytest

SECRET = "planted-secret"
SETUP = """
import services
from services.shared.logging import configure_logging, get_logger
configure_logging("test")
import asyncio, logging, sys, threading, traceback, warnings

def fail():
    raise ValueError("planted-secret")

async def fail_later():
    fail()

class Failing:
    def __del__(self):
        fail()
"""


def lines_of(program: str) -> list[dict]:
    """Runs a program after the configuration of logs. Returns what it printed to stderr."""
    command = [sys.executable, "-c", SETUP + textwrap.dedent(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert not done.stdout
    assert SECRET not in done.stderr.replace('raise ValueError(\\"planted-secret\\")', "")
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("program", "event"),
    [
        ("fail()", "process_crashed"),
        ("raise KeyboardInterrupt", "process_interrupted"),
        ("sys.exit('the schema is old')", "stderr_printed"),
    ],
)
def test_the_end_of_a_process_is_a_line_of_json(program, event):
    (line,) = lines_of(program)
    assert (line["event"], line["service"]) == (event, "test")


def test_whatever_is_raised_or_printed_elsewhere_is_a_line_of_json():
    lines = lines_of(
        """
        def log_failure(log):
            try:
                fail()
            except ValueError:
                log()

        async def main():
            task = asyncio.create_task(fail_later())
            await asyncio.sleep(0.01)
            del task
            asyncio.get_running_loop().call_soon(fail)
            await asyncio.sleep(0.01)

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        Failing()
        log_failure(traceback.print_exc)
        log_failure(lambda: get_logger("services.x").exception("it_failed"))
        log_failure(lambda: logging.getLogger("sqlalchemy").exception("a query failed"))
        asyncio.run(main())
        logging.getLogger("x").error("%d", "planted-secret")
        print("hello", end=" ", file=sys.stderr)
        print("you", file=sys.stderr)
        warnings.warn("old")
        """
    )
    assert [line["event"] for line in lines[:-1]] == [
        "thread_crashed",
        "finalizer_failed",
        "exception_printed",
        "it_failed",
        "a query failed",
        "Task exception was never retrieved",
        "Exception in callback fail",
        "record_not_logged",
        "stderr_printed",
    ]
    assert {line["error"] for line in lines[:7]} == {"ValueError"}
    assert all("in fail" in line["traceback"] for line in lines[:7])
    assert lines[8]["line"] == "hello you"
    assert lines[9]["logger"] == "py.warnings"


def test_messages_of_grpc_are_cut_before_what_they_quote():
    lines = lines_of(
        """
        log = logging.getLogger("grpc._cython.cygrpc")
        log.error("Invalid encoding on %s", b"planted-secret")
        log.error("Unexpected [ValueError] raised by servicer method [planted-secret]")
        log.error(ValueError("planted-secret"))
        log.error("%s", "planted-secret")
        """
    )
    events = [line["event"] for line in lines]
    assert events == ["Invalid encoding on", "Unexpected", "ValueError", "message_hidden"]


def test_a_call_with_metadata_that_is_not_utf8_logs_none_of_it():
    program = """
        from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
        from tests.unit.shared.serving.http2 import RawConnection, message

        async def main():
            server = RpcServer("127.0.0.1:0", INTERNAL_MESSAGE_BYTES)
            await server.start([])
            for name in (b"authorization", b"grpc-timeout"):
                async with RawConnection(server.target) as raw:
                    raw.call(b"/grpc.health.v1.Health/Check", message(b""), (name, b"planted-secret \\xff"))
                    await raw.status()
            await server.stop(0)

        asyncio.run(main())
    """
    assert {line["event"] for line in lines_of(program)} == {"Invalid encoding on"}


def test_lines_for_people_are_short_and_show_no_text_of_exceptions_and_no_control_characters():
    program = """
    log = get_logger("services.part")
    log.info("job_submitted", job_id="a-1", trace_id="t-1")
    log.warning("provider_fault", detail="\\x1b[2Jno such model", job={"text": "\\x1b[2J"})
    try:
        fail()
    except ValueError:
        log.exception("call_failed")
    """
    setup = SETUP.replace('configure_logging("test")', 'configure_logging("test", for_people=True)')
    command = [sys.executable, "-c", setup + textwrap.dedent(program)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    submitted, fault, failed, *_ = done.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info +\] job_submitted +job_id=a-1", submitted)
    assert "detail=\N{REPLACEMENT CHARACTER}[2Jno such model" in fault.replace("'", "")
    assert "call_failed" in failed
    assert SECRET not in done.stderr.replace('raise ValueError("planted-secret")', "")
    assert "\x1b" not in done.stderr
