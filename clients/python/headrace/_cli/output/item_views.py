"""The columns of items and of their results."""

from headrace._cli.dollars import dollars
from headrace._cli.output.views import Column, View
from headrace._cli.text import instant, printable
from headrace.resources import Item, ItemState, Result

_STATE_STYLES = {ItemState.SUCCEEDED: "green", ItemState.FAILED: "red"}


def _outcome(result: Result) -> str:
    if result.error is None:
        return printable(result.output_text)
    detail = f"\n{printable(result.error.detail)}" if result.error.detail else ""
    return f"{printable(result.error.reason)}: {printable(result.error.message)}{detail}"


def _tokens(result: Result) -> str:
    return f"{result.usage.input_tokens + result.usage.output_tokens:,}"


def _state_style(result: Result | None) -> str:
    return "" if result is None else _STATE_STYLES.get(result.state, "")


RESULTS: View[Result] = View(
    Result,
    lambda result: str(result.item_index),
    (
        Column("INDEX", lambda result: str(result.item_index), is_right=True),
        Column("KEY", lambda result: printable(result.item_key) or "-"),
        Column("STATE", lambda result: str(result.state), style=_state_style),
        Column("ATTEMPTS", lambda result: str(result.attempt_count), is_right=True, is_wide=True),
        Column("TOKENS", _tokens, is_right=True, is_wide=True),
        Column("COST", lambda result: f"${dollars(result.usage.cost_micros)}", is_right=True, is_wide=True),
        Column("FINISHED", lambda result: instant(result.finish_time), is_wide=True),
        Column("INPUT", lambda result: printable(result.input_text) or "-", is_wide=True, is_flexible=True),
        Column("OUTPUT", _outcome, is_flexible=True),
    ),
    "no results",
)

ITEMS: View[Item] = View(
    Item,
    lambda item: str(item.item_index),
    (
        Column("INDEX", lambda item: str(item.item_index), is_right=True),
        Column("KEY", lambda item: printable(item.item_key) or "-"),
        Column(
            "STATE",
            lambda item: "-" if item.result is None else str(item.result.state),
            style=lambda item: _state_style(item.result),
        ),
        Column("INPUT", lambda item: printable(item.input_text), is_flexible=True),
        Column(
            "OUTPUT",
            lambda item: "-" if item.result is None else _outcome(item.result),
            is_wide=True,
            is_flexible=True,
        ),
    ),
    "no items",
)
