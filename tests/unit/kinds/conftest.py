"""Contexts to run kinds without a broker and a provider."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from headrace.kinds import Completion, Message


class ScriptedContext:
    """Returns its answers in turn, and records the chats."""

    def __init__(self, answers: Sequence[str | Completion]) -> None:
        self._answers = list(answers)
        self.chats: list[list[Message]] = []
        self.options: list[dict[str, object]] = []

    async def complete(self, messages: Sequence[Message], **options: object) -> Completion:
        self.chats.append(list(messages))
        self.options.append(options)
        answer = self._answers.pop(0)
        return answer if isinstance(answer, Completion) else Completion(answer)


class SideBySideContext:
    """Answers each call by the text of its last message, after a number of calls are under way. None: never.

    Errors come first, and the answers well after them.
    """

    def __init__(self, answer_by_prompt: Mapping[str, Completion | Exception], together: int) -> None:
        self._answer_by_prompt = answer_by_prompt
        self._gate = asyncio.Barrier(together)
        self.chats: list[list[Message]] = []
        self.finished: list[str] = []
        self.cancelled_count = 0

    async def complete(self, messages: Sequence[Message], **options: object) -> Completion:
        self.chats.append(list(messages))
        await self._gate.wait()
        answer = self._answer_by_prompt.get(messages[-1].content)
        if isinstance(answer, Exception):
            raise answer
        try:
            if answer is None:
                await asyncio.Event().wait()
            for _ in range(5):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled_count += 1
            raise
        self.finished.append(messages[-1].content)
        return answer


@pytest.fixture
def context_with() -> Callable[..., ScriptedContext]:
    return lambda *answers: ScriptedContext(answers)


@pytest.fixture
def side_by_side() -> Callable[..., SideBySideContext]:
    return SideBySideContext
