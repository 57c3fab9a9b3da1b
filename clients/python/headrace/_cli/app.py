"""The application with all its commands."""

from importlib.metadata import version
from typing import Annotated

import typer

from headrace._cli.changes import delete, update
from headrace._cli.completing.completion import completion
from headrace._cli.failures import failures
from headrace._cli.help.commands import CommandsInSections, add_examples
from headrace._cli.items.job_items import items
from headrace._cli.jobs import cancel, get, list_jobs, pause, resume, retry, watch
from headrace._cli.listings import kinds, workers
from headrace._cli.many.wait import wait
from headrace._cli.options import GlobalOptions, JsonOption, TargetOption, TenantOption, TimeoutOption
from headrace._cli.reports.history import logs
from headrace._cli.reports.usage import usage
from headrace._cli.results import results
from headrace._cli.submitting import submit
from headrace._cli.system.dev import dev
from headrace._cli.system.ping import ping
from headrace._cli.system.top import top
from headrace._cli.watching_jobs import watch_jobs

app = typer.Typer(
    name="headrace",
    cls=CommandsInSections,
    help="Submit background jobs made of many LLM calls, watch them, and read their results.",
    epilog="Exit codes: 0 done; 1 a watched job did not succeed; 2 bad use; 3 the gateway cannot be reached; "
    "4 the gateway answered with an error; 5 the output cannot be written; 130 Ctrl-C and 143 SIGTERM (a "
    "watched job continues).",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("headrace"))
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stores the options of every command."""
    context.obj = GlobalOptions(target=target, tenant=tenant, json=json, timeout=timeout)


app.command()(submit)
app.command()(get)
app.command("list")(list_jobs)
app.command()(watch)
app.command()(wait)
app.command("watch-jobs")(watch_jobs)
app.command()(results)
app.command()(items)
app.command()(failures)
app.command()(logs)
app.command()(cancel)
app.command()(pause)
app.command()(resume)
app.command()(retry)
app.command()(update)
app.command()(delete)
app.command()(usage)
app.command()(kinds)
app.command()(workers)
app.command()(top)
app.command()(ping)
app.command()(dev)
app.command()(completion)
add_examples(app)
