"""Shows the prompts of the first items of a job before it is submitted."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

import orjson

from headrace._cli.json_lines import write_json
from headrace._cli.process.streams import say
from headrace._cli.templates import NewJob
from headrace._cli.text import echo, printable
from headrace._messages.json_text import encode
from headrace.errors import InvalidArgumentError


async def show_first_prompts(
    job: NewJob, items: AsyncIterable[Any], count: int, *, json: bool
) -> AsyncIterable[Any]:
    """Prints the chats that workers would send for the first items, to stderr, or as JSON lines to stdout.

    They are rendered here, by the code that workers run. If the kind is not installed here, one line says so.

    Args:
        job: The job.
        items: Its items.
        count: Number of items to show, 1 or more.
        json: Whether to print JSON.

    Returns:
        All items, those that it read among them.
    """
    source = aiter(items)
    first = []
    async for item in source:
        first.append(item)
        if len(first) == count:
            break
    await _show_prompts(job, first, json=json)
    return _joined(first, source)


async def _joined(first: Sequence[Any], rest: AsyncIterable[Any]) -> AsyncIterator[Any]:
    for item in first:
        yield item
    async for item in rest:
        yield item


async def _show_prompts(job: NewJob, items: Sequence[Any], *, json: bool) -> None:
    # They import pydantic, which most commands do not need.
    from headrace.kinds import installed_kinds, validate_params

    kind = installed_kinds().get(job.kind)
    if kind is None:
        say(f"no prompts: the kind {printable(job.kind)} is not installed here")
        return
    try:
        params = validate_params(kind, str(job.params or "{}"))
    except InvalidArgumentError:
        return  # The gateway names what is wrong.
    for index, item in enumerate(items):
        await _show(kind, params, orjson.loads(str(encode(item, f"items[{index}]"))), index, json=json)


async def _show(kind: Any, params: Any, item: Any, index: int, *, json: bool) -> None:
    from headrace.kinds import ItemFailedError, RetryableError
    from headrace.kinds.preview import preview_chats

    try:
        chats = await preview_chats(kind, params, item)
    except (ItemFailedError, RetryableError) as error:
        if json:
            write_json({"item_index": index, "error": {"reason": error.reason, "message": error.message}})
        else:
            echo(f"item {index} will fail: {error.reason}: {printable(error.message)}", err=True)
        return
    if json:
        plain = [[{"role": each.role, "content": each.content} for each in chat] for chat in chats]
        write_json({"item_index": index, "prompts": plain})
        return
    _print_chats(chats, index)


def _print_chats(chats: Sequence[Sequence[Any]], index: int) -> None:
    if not chats:
        echo(f"item {index} makes no calls", err=True)
    for number, chat in enumerate(chats, start=1):
        place = f", call {number} of {len(chats)}" if len(chats) > 1 else ""
        echo(f"item {index}{place}", err=True)
        for message in chat:
            echo(f"  {message.role}:", err=True)
            for line in message.content.splitlines() or [""]:
                echo(f"    {line}", err=True)
