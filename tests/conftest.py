"""Real servers for tests, started when a test first asks for one. A server that cannot start is a failure.

The suite runs in several processes side by side (pytest-xdist), each with servers and ports of its own. Tests of
one file run in one process, so that they share its fixtures.
"""

import os
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest

from deploy.local.paths import run_directory
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack

Closing = Callable[..., Any]
_failed = pytest.StashKey[bool]()

# No test may ever reach a provider that costs money, depend on the caller's settings, or go through a proxy.
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "HEADRACE_"))]:
    if _name != "HEADRACE_RUN_DIR":
        del os.environ[_name]
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

_PORTS = range(20_000, 30_000)


def _spare_ports() -> str:
    """Returns the part of the spare ports that belongs to this process of the run, as FIRST-LAST."""
    process_count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    part = len(_PORTS) // process_count
    first = _PORTS.start + number * part
    return f"{first}-{first + part - 1}"


os.environ["HEADRACE_SPARE_PORTS"] = _spare_ports()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups the tests of a file, and marks those that need a server."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
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
    """SQLAlchemy URL of a new, empty PostgreSQL database, one for each test."""
    return make_database()


@pytest.fixture(scope="module")
def rabbitmq_url(make_vhost: Callable[[], str]) -> str:
    """URL of an empty RabbitMQ virtual host, one for each test file."""
    return make_vhost()


@pytest.fixture
def redis_url(make_redis_database: Callable[[], str]) -> str:
    """URL of an empty Redis database, one for each test."""
    return make_redis_database()


@pytest.fixture
def make_stack(closing: Closing) -> Callable[..., TestStack]:
    """Each call starts the services as real processes; takes the named arguments of `TestStack`."""
    return partial(closing, TestStack)


@pytest.fixture
def stack(make_stack: Callable[..., TestStack]) -> TestStack:
    """Two workers, one gateway, results and the stand-in, as real processes."""
    return make_stack()


@pytest.fixture
def make_embedded(closing: Closing) -> Callable[..., TestEmbedded]:
    """Each call starts the embedded system as a real process; takes the named arguments of `TestEmbedded`."""
    return partial(closing, TestEmbedded)


@pytest.fixture
def closing(servers: TestRun, request: pytest.FixtureRequest) -> Iterator[Closing]:
    """Starts a stack and closes it after the test; when the test fails, the ends of its logs are shown."""
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
