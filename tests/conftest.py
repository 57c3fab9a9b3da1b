"""Real servers for tests, started when a test first needs one. A server that cannot start is a failure.

The suite runs in several processes (pytest-xdist). Each has its own servers and ports. The tests of one file
run in one process, so they share its fixtures.
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from deploy.local.paths import run_directory
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack

Closing = Callable[..., Any]
_failed = pytest.StashKey[bool]()

# No test may reach a provider that costs money, depend on the caller's settings, or use a proxy.
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "HEADRACE_"))]:
    if _name != "HEADRACE_RUN_DIR":
        del os.environ[_name]
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# A shell without job control starts background commands with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_PORTS = range(20_000, 30_000)
_FOLDERS_WITH_ONE_STACK = ("tests/e2e/one_worker/", "tests/examples/")


def _spare_ports() -> str:
    """Returns this process's share of the spare ports, as FIRST-LAST."""
    process_count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    part = len(_PORTS) // process_count
    first = _PORTS.start + number * part
    return f"{first}-{first + part - 1}"


os.environ["HEADRACE_SPARE_PORTS"] = _spare_ports()


class FileScheduling(LoadScopeScheduling):
    """Runs the tests of a file in one process, and also those of a folder whose files share a stack.

    Replaces ``xdist_group``, which pytest 9.2 ignores without a warning
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in _FOLDERS_WITH_ONE_STACK if path.startswith(folder)), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks tests that need a server."""
    if "servers" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def servers() -> Iterator[TestRun]:
    """RabbitMQ, Redis and PostgreSQL of this run: `.rabbitmq_url`, `.redis_url`, `.postgres_url`."""
    run = TestRun(run_directory() / "test")
    yield run
    run.close()


@pytest.fixture(scope="session")
def make_database(servers: TestRun) -> Callable[[], str]:
    """Each call returns the SQLAlchemy URL of a new, empty PostgreSQL database."""
    return servers.make_database


@pytest.fixture(scope="session")
def make_vhost(servers: TestRun) -> Callable[[], str]:
    """Each call returns the URL of a new, empty RabbitMQ virtual host."""
    return servers.make_vhost


@pytest.fixture(scope="session")
def make_redis_database(servers: TestRun) -> Callable[[], str]:
    """Each call returns the URL of an empty Redis database."""
    return servers.make_redis_database


@pytest.fixture
def postgres_url(make_database: Callable[[], str]) -> str:
    """SQLAlchemy URL of a new, empty PostgreSQL database, one per test."""
    return make_database()


@pytest.fixture(scope="module")
def rabbitmq_url(make_vhost: Callable[[], str]) -> str:
    """URL of an empty RabbitMQ virtual host, one per test file."""
    return make_vhost()


@pytest.fixture
def redis_url(make_redis_database: Callable[[], str]) -> str:
    """URL of an empty Redis database, one per test."""
    return make_redis_database()


@pytest.fixture
def make_stack(closing: Closing) -> Callable[..., TestStack]:
    """Starts the services as real processes at each call, with the named arguments of `TestStack`."""
    return partial(closing, TestStack)


@pytest.fixture(scope="session")
def two_gateways(servers: TestRun) -> Iterator[TestStack]:
    """Two gateways, two workers, results and the stand-in, as real processes.

    A test that stops one of them starts it again, and one that controls the stand-in resets it. Starting a
    stack takes about 5 s of CPU, so tests with default settings use this one.
    """
    stack = TestStack(servers, gateways=2)
    stack.start()
    yield stack
    stack.close()


@pytest.fixture
def make_embedded(closing: Closing) -> Callable[..., TestEmbedded]:
    """Starts the embedded system as a real process, with the named arguments of `TestEmbedded`."""
    return partial(closing, TestEmbedded)


@pytest.fixture
def closing(servers: TestRun, request: pytest.FixtureRequest) -> Iterator[Closing]:
    """Starts a stack and closes it after the test. If the test fails, prints the end of each log."""
    stacks: list[TestStack | TestEmbedded] = []

    def start(make: Callable[..., Any], **options: Any) -> Any:
        stacks.append(make(servers, **options))
        stacks[-1].start()
        return stacks[-1]

    yield start
    for stack in stacks:
        if request.node.stash.get(_failed, False):
            print(stack.logs())
        stack.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report
