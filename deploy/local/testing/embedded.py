"""The embedded system as a real process with a stand-in, for tests."""

from collections.abc import Collection, Mapping

from deploy.local.ports import spare_port
from deploy.local.processes import stop_all
from deploy.local.provider import stand_in_at
from deploy.local.services import STOP_SECONDS, embedded_system, stand_in_provider
from deploy.local.testing.run import TestRun


class TestEmbedded:
    """The three services in one process, on SQLite; needs no servers. Every call blocks.

    Args:
        run: Gives the folder for database and logs.
        settings: More environment variables; a later entry wins over the system's own.
        stand_in_arguments: More arguments for the stand-in.

    Attributes:
        system: The embedded system's process.
        stand_in: The provider; ``stand_in_url`` is its address.
    """

    __test__ = False  # a name for people; pytest is not to collect it

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
        """Where its gateway listens, as ``host:port``."""
        return self.system.target

    @property
    def stand_in_url(self) -> str:
        """Address of the stand-in, without a path."""
        return f"http://{self.stand_in.target}"

    def start(self) -> None:
        """Starts both and returns when they are ready."""
        for service in (self.stand_in, self.system):
            service.start()
        for service in (self.stand_in, self.system):
            service.wait_ready()

    def logs(self, lines: int = 30) -> str:
        """Returns the end of each log, under its name."""
        services = (self.system, self.stand_in)
        return "\n".join(f"{service.name}:\n{service.process.log_tail(lines)}" for service in services)

    def close(self) -> None:
        """Ends both."""
        stop_all([self.system.process, self.stand_in.process], STOP_SECONDS)
