"""Estimates the tokens of a call before it is made."""

from services.worker.calls.provider.provider import CompletionRequest

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4  # in addition to its text
_FIRST_OUTPUT_TOKENS = 256  # of a model that has not responded yet
_MAX_MODELS = 1000  # clients name models
_NEWEST_WEIGHT = 0.05  # weight of the newest response in the mean


class TokenEstimates:
    """Estimates tokens by the length of the chat and by earlier responses of the model."""

    def __init__(self) -> None:
        self._mean_outputs: dict[str, float] = {}

    def of(self, request: CompletionRequest) -> int:
        """Returns the estimated input and output tokens of a call."""
        input_tokens = sum(
            len(message.content) // _CHARACTERS_PER_TOKEN + _TOKENS_PER_MESSAGE
            for message in request.messages
        )
        limit = request.max_output_tokens
        output_tokens = self._mean_outputs.get(
            request.model, _FIRST_OUTPUT_TOKENS if limit is None else limit
        )
        if limit is not None:
            output_tokens = min(output_tokens, limit)
        return input_tokens + round(output_tokens)

    def learn(self, request: CompletionRequest, output_tokens: int) -> None:
        """Adds the length of a response to the model's mean."""
        if len(self._mean_outputs) >= _MAX_MODELS:
            self._mean_outputs.clear()
        mean = self._mean_outputs.setdefault(request.model, output_tokens)
        self._mean_outputs[request.model] = mean + (output_tokens - mean) * _NEWEST_WEIGHT
