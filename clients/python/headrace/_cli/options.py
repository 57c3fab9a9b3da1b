"""Options that every command takes, before its name or after it."""

from dataclasses import dataclass
from typing import Annotated

import typer

from headrace.client import Client

CONNECT_TIMEOUT_SECONDS = 5.0

TargetOption = Annotated[
    str | None,
    typer.Option("--target", help="host:port of the gateway. Default: HEADRACE_TARGET, or localhost:50051."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose jobs. Default: default.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON alone, an object a line, with the field names of the API.")
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", min=0.1, help="Seconds for one call with all its repeats; of an upload, for each answer."
    ),
]
JobIdArgument = Annotated[str, typer.Argument(metavar="JOB_ID", help="UUID of the job.")]


@dataclass(frozen=True)
class GlobalOptions:
    """The options given before the command's name."""

    target: str | None = None
    tenant: str | None = None
    json: bool = False
    timeout: float = 30.0


@dataclass(frozen=True)
class CallOptions:
    """Where and as whom a command calls, and how it prints."""

    target: str | None
    tenant: str | None
    json: bool
    timeout: float

    @classmethod
    def of(cls, context: typer.Context, target: str | None, tenant: str | None, json: bool) -> "CallOptions":
        """Returns a command's own options, and the global ones where it has none."""
        given: GlobalOptions = context.obj or GlobalOptions()
        return cls(target or given.target, tenant or given.tenant, json or given.json, given.timeout)

    def open_client(self) -> Client:
        """Returns a client that soon gives up on a gateway that nobody runs."""
        return Client(self.target, self.tenant, timeout=self.timeout, connect_timeout=CONNECT_TIMEOUT_SECONDS)
