"""Answers of finished calls, kept while their item waits for another try: what is paid for is used."""

import sys
from collections import Counter, OrderedDict

from headrace.kinds import Completion
from services.worker.calls.provider.provider import CompletionRequest

MAX_BYTES = 16 * 1024 * 1024
_BYTES_BESIDE_TEXT = 500  # of a request, its messages and its answer


class ItemResponses:
    """Answers to the calls of one item, over its attempts.

    The n-th time that an attempt makes the same request it gets the n-th answer to it. So a handler may ask the
    same several times and get different answers, in its next attempt too.
    """

    def __init__(self) -> None:
        self._answers: dict[CompletionRequest, list[Completion]] = {}
        self._given: Counter[CompletionRequest] = Counter()
        self.byte_count = 0

    def begin_attempt(self) -> None:
        """Gives every answer once more."""
        self._given.clear()

    def take(self, request: CompletionRequest) -> Completion | None:
        """Returns the next answer that is there for a request, or None: it has to be made."""
        answers = self._answers.get(request, [])
        place = self._given[request]
        if place >= len(answers):
            return None
        self._given[request] += 1
        return answers[place]

    def add(self, request: CompletionRequest, answer: Completion) -> None:
        """Takes a new answer in, as given in this attempt."""
        self._answers.setdefault(request, []).append(answer)
        self._given[request] += 1
        texts = (answer.text, *(message.content for message in request.messages))
        self.byte_count += _BYTES_BESIDE_TEXT + sum(sys.getsizeof(text) for text in texts)


class AttemptResponses:
    """Answers of items that wait for another attempt; the oldest go when they take too much memory.

    A job's answers need no forgetting: an answer is given to an equal request of the same item only.

    Args:
        max_bytes: Of all together, about.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._byte_count = 0
        self._items: OrderedDict[tuple[str, int], ItemResponses] = OrderedDict()

    def take(self, job_id: str, item_index: int) -> ItemResponses:
        """Returns an item's answers for a new try, and lets go of them."""
        answers = self._items.pop((job_id, item_index), None)
        if answers is None:
            return ItemResponses()
        self._byte_count -= answers.byte_count
        answers.begin_attempt()
        return answers

    def keep(self, job_id: str, item_index: int, answers: ItemResponses) -> None:
        """Keeps an item's answers for its next attempt on this worker."""
        if not answers.byte_count:
            return
        self.take(job_id, item_index)  # of an attempt by an older lease
        self._items[job_id, item_index] = answers
        self._byte_count += answers.byte_count
        while self._byte_count > self._max_bytes:
            _, oldest = self._items.popitem(last=False)
            self._byte_count -= oldest.byte_count
