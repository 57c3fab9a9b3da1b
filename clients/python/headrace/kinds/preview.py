"""The prompts of an item, rendered without a call."""

from collections.abc import Sequence
from typing import Any

from headrace.kinds.kind import Completion, JsonValue, Kind, Message, RetryableError
from headrace.kinds.request_options import RequestOptions


class _Recorder:
    """An ItemContext that records chats and makes no call."""

    def __init__(self) -> None:
        self.chats: list[Sequence[Message]] = []

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        options: RequestOptions | None = None,
    ) -> Completion:
        """Records a chat and ends the attempt."""
        self.chats.append(list(messages))
        raise RetryableError("NO_CALL", "a preview makes no calls")


async def preview_chats(kind: Kind[Any], params: Any, item: JsonValue) -> Sequence[Sequence[Message]]:
    """Returns the first chats that a worker would send for an item. Later ones depend on the answers.

    The kind's own handler runs, on a context that makes no call.

    Args:
        kind: Kind of the job.
        params: Params, validated by the kind.
        item: JSON value.

    Raises:
        ItemFailedError: The item will fail before its first call.
    """
    recorder = _Recorder()
    try:
        await kind.run(params, item, recorder)
    except RetryableError:
        if not recorder.chats:
            raise
    return recorder.chats
