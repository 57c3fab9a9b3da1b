"""Options of every command, before its name or after it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from headrace._cli.completing.values import complete_job_ids
from headrace.client import Client

CONNECT_TIMEOUT_SECONDS = 5.0

TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="ADDRESS",
        help="host:port of the gateway. Default: HEADRACE_TARGET, or localhost:50051.",
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help="Tenant that owns the jobs. Default: default."),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print only JSON, one object on each line, with the field names of the API."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="Seconds for one call with all its repeats. In an upload: for each response.",
    ),
]
JobIdArgument = Annotated[
    str, typer.Argument(metavar="JOB_ID", help="UUID of the job.", autocompletion=complete_job_ids)
]
JobIdsArgument = Annotated[
    list[str],
    typer.Argument(metavar="JOB_ID", help="UUIDs of one or more jobs.", autocompletion=complete_job_ids),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


@dataclass(frozen=True)
class GlobalOptions:
    """Options given before the name of the command."""

    target: str | None = None
    tenant: str | None = None
    json: bool = False
    timeout: float = 30.0


@dataclass(frozen=True)
class CallOptions:
    """Gateway, tenant, timeout and output form of a command."""

    target: str | None
    tenant: str | None
    json: bool
    timeout: float

    @classmethod
    def of(cls, context: typer.Context, target: str | None, tenant: str | None, json: bool) -> "CallOptions":
        """Returns the options of a command, with the global ones as defaults."""
        given: GlobalOptions = context.obj or GlobalOptions()
        return cls(
            target=given.target if target is None else target,
            tenant=tenant or given.tenant,
            json=json or given.json,
            timeout=given.timeout,
        )

    def open_client(self) -> Client:
        """Returns a client that gives up early if no gateway is running."""
        return Client(self.target, self.tenant, timeout=self.timeout, connect_timeout=CONNECT_TIMEOUT_SECONDS)


def takes_call_options(command: Callable[..., None]) -> Callable[..., None]:
    """Shows the options of every call after those of a command, which receives them as its first argument."""

    def with_options(
        context: typer.Context,
        *,
        target: TargetOption = None,
        tenant: TenantOption = None,
        json: JsonOption = False,
        **own: Any,
    ) -> None:
        command(CallOptions.of(context, target, tenant, json), **own)

    context, *shared, _ = inspect.signature(with_options).parameters.values()
    _, *own = inspect.signature(command).parameters.values()
    with_options.__signature__ = inspect.Signature([context, *own, *shared])  # type: ignore[attr-defined]
    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    return with_options
