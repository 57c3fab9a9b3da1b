"""The embedded system for tests, as a real process with a stand-in."""

from collections.abc import Collection, Mapping

from deploy.local.ports import spare_port
from deploy.local.processes import stop_all
from deploy.local.provider import stand_in_at
from deploy.local.services import STOP_SECONDS, embedded_system, stand_in_provider
from deploy.local.testing.run import TestRun


class TestEmbedded:
    """The three services in one process, on SQLite. Needs no servers. Every call blocks.

    Args:
        run: Test run that owns the folder of the database and the logs.
        settings: Environment variables, which override the system's own.
        stand_in_arguments: Extra arguments for the stand-in.

    Attributes:
        system: Process of the embedded system.
        stand_in: Process of the provider, at ``stand_in_url``.
    """

    __test__ = False  # pytest must not collect it

    def __init__(
        self,
        run: TestRun,
        *,
        settings: Mapping[str, str] | None = None,
        stand_in_arguments: Collection[str] = (),
    ) -> None:
        self.run_dir = run.make_run_dir()
        self.stand_in = stand_in_provider(self.run_dir, spare_port(), *stand_in_arguments)
        own = stand_in_at(self.stand_in.port).settings
        self.system = embedded_system(
            self.run_dir,
            spare_port(),
            f"sqlite+aiosqlite:///{self.run_dir / 'headrace.db'}",
            **(own | dict(settings or {})),
        )

    @property
    def gateway_target(self) -> str:
        """Address of its gateway, as ``host:port``."""
        return self.system.target

    @property
    def stand_in_url(self) -> str:
        """Address of the stand-in, without a path."""
        return f"http://{self.stand_in.target}"

    def start(self) -> None:
        """Starts both processes and returns once they are ready."""
        for service in (self.stand_in, self.system):
            service.start()
        for service in (self.stand_in, self.system):
            service.wait_ready()

    def logs(self, lines: int = 30) -> str:
        """Returns the end of each log, headed by its name."""
        services = (self.system, self.stand_in)
        return "\n".join(f"{service.name}:\n{service.process.log_tail(lines)}" for service in services)

    def close(self) -> None:
        """Ends both processes."""
        stop_all([self.system.process, self.stand_in.process], STOP_SECONDS)
