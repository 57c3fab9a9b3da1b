"""Estimates the tokens of a call before it is made."""

from services.worker.calls.provider.provider import CompletionRequest

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4  # in addition to its text
_FIRST_OUTPUT_TOKENS = 256  # of a model that has not responded yet
# The same for a call that limits its output. A huge limit says nothing of the length, and would keep the
# tokens of a minute from others.
_MAX_FIRST_OUTPUT_TOKENS = 1024
_MAX_MODELS = 1000  # clients name models
_NEWEST_WEIGHT = 0.05  # weight of the newest response in the mean


class TokenEstimates:
    """Estimates tokens by the length of the chat and by earlier responses of the model."""

    def __init__(self) -> None:
        self._mean_outputs: dict[str, float] = {}

    def of(self, request: CompletionRequest) -> int:
        """Returns the estimated input and output tokens of a call."""
        limit = request.max_output_tokens
        first = _FIRST_OUTPUT_TOKENS if limit is None else _MAX_FIRST_OUTPUT_TOKENS
        output_tokens = self._mean_outputs.get(request.model, first)
        if limit is not None:
            output_tokens = min(output_tokens, limit)
        return self.of_input(request) + round(output_tokens)

    def of_input(self, request: CompletionRequest) -> int:
        """Returns the estimated input tokens of a call."""
        return sum(
            len(message.content) // _CHARACTERS_PER_TOKEN + _TOKENS_PER_MESSAGE
            for message in request.messages
        )

    def learn(self, request: CompletionRequest, output_tokens: int) -> None:
        """Adds the length of a response to the model's mean."""
        if len(self._mean_outputs) >= _MAX_MODELS:
            self._mean_outputs.clear()
        mean = self._mean_outputs.setdefault(request.model, output_tokens)
        self._mean_outputs[request.model] = mean + (output_tokens - mean) * _NEWEST_WEIGHT
