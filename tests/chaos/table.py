"""The table of a storm, as plain text."""

from collections.abc import Sequence

from tests.chaos.row import Row

_HEAD = (
    f"{'fault':42} {'jobs':>5} {'items':>7} {'failed':>6} {'calls':>7} {'provider':>8} {'repeated/':>9}"
    f" {'take-':>6} {'stall':>6} {'of one':>6} {'time':>5}  verdict\n"
    f"{'':42} {'':>5} {'':>7} {'':>6} {'':>7} {'failures':>8} {'allowed':>9}"
    f" {'over s':>6} {'s':>6} {'worker':>6} {'s':>5}"
)
_LINE_LIMIT = 12


def head() -> str:
    """Returns the column titles, in two lines."""
    return _HEAD


def line(row: Row) -> str:
    """Returns one phase as a line, with broken guarantees below it."""
    takeover = f"{max(row.takeover_seconds):.1f}" if row.takeover_seconds else "-"
    repeated = f"{row.repeated_count}/{row.allowed_count}"
    verdict = f"{len(row.broken)} BROKEN" if row.broken else "held"
    counts = f"{row.job_count:5} {row.item_count:7,} {row.failed_count:6} {row.call_count:7,}"
    times = f"{takeover:>6} {row.stall_seconds:6.1f} {row.worker_stall_seconds:6.1f} {row.seconds:5.0f}"
    text = f"{row.name[:42]:42} {counts} {row.failure_count:8,} {repeated:>9} {times}  {verdict}"
    return "\n".join([text, *_details(row)])


def _details(row: Row) -> Sequence[str]:
    more = len(row.broken) - _LINE_LIMIT
    lines = row.broken[:_LINE_LIMIT] + ([f"and {more} more"] if more > 0 else [])
    return [f"    {what}" for what in [*row.remarks, *lines]]
