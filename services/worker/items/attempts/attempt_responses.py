"""Keeps responses to finished calls for the next attempt of their item: paid calls are not repeated."""

import sys
from collections import Counter, OrderedDict

from headrace.kinds import Completion
from services.worker.calls.provider.provider import CompletionRequest

MAX_BYTES = 16 * 1024 * 1024
_OVERHEAD_BYTES = 500  # a request, its messages and its response, without their texts


class ItemResponses:
    """Responses to the calls of one item, over its attempts.

    The n-th equal request of an attempt gets the n-th response to it. So a handler may make the same request
    several times and get different responses, in its next attempt too.
    """

    def __init__(self) -> None:
        self._responses: dict[CompletionRequest, list[Completion]] = {}
        self._used_counts: Counter[CompletionRequest] = Counter()
        self.byte_count = 0

    def begin_attempt(self) -> None:
        """Makes every response available again."""
        self._used_counts.clear()

    def take(self, request: CompletionRequest) -> Completion | None:
        """Returns the next unused response to a request, or None: the call is still to be made."""
        responses = self._responses.get(request, [])
        position = self._used_counts[request]
        if position >= len(responses):
            return None
        self._used_counts[request] += 1
        return responses[position]

    def add(self, request: CompletionRequest, response: Completion) -> None:
        """Adds a new response, as used in this attempt."""
        self._responses.setdefault(request, []).append(response)
        self._used_counts[request] += 1
        texts = (response.text, *(message.content for message in request.messages))
        self.byte_count += _OVERHEAD_BYTES + sum(sys.getsizeof(text) for text in texts)


class AttemptResponses:
    """Responses of items that wait for another attempt; the oldest are dropped beyond a memory limit.

    A job's responses need no cleaning up: a response is only used for an equal request of the same item.

    Args:
        max_bytes: Approximate memory limit of all responses together.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._byte_count = 0
        self._items: OrderedDict[tuple[str, int], ItemResponses] = OrderedDict()

    def take(self, job_id: str, item_index: int) -> ItemResponses:
        """Removes and returns the responses of an item, for a new attempt."""
        responses = self._items.pop((job_id, item_index), None)
        if responses is None:
            return ItemResponses()
        self._byte_count -= responses.byte_count
        responses.begin_attempt()
        return responses

    def keep(self, job_id: str, item_index: int, responses: ItemResponses) -> None:
        """Keeps the responses of an item for its next attempt on this worker."""
        if not responses.byte_count:
            return
        self.take(job_id, item_index)  # of an attempt under an older lease
        self._items[job_id, item_index] = responses
        self._byte_count += responses.byte_count
        while self._byte_count > self._max_bytes:
            _, oldest = self._items.popitem(last=False)
            self._byte_count -= oldest.byte_count
