"""How many tokens a call will use, before it is made."""

from services.worker.calls.provider.provider import CompletionRequest

_CHARACTERS_PER_TOKEN = 4
_TOKENS_BESIDE_TEXT = 4  # of each message
_FIRST_ANSWER = 256  # of a model that has not answered yet
_MAX_MODELS = 1000  # clients name models
_WEIGHT = 0.05  # of the newest answer in the mean


class TokenEstimates:
    """Estimates a call's tokens by the length of its text and by earlier answers of its model."""

    def __init__(self) -> None:
        self._mean_answers: dict[str, float] = {}

    def of(self, request: CompletionRequest) -> int:
        """Returns the tokens that a call will use, in and out."""
        text = sum(
            len(message.content) // _CHARACTERS_PER_TOKEN + _TOKENS_BESIDE_TEXT
            for message in request.messages
        )
        most = request.max_output_tokens
        answer = self._mean_answers.get(request.model, _FIRST_ANSWER if most is None else most)
        if most is not None:
            answer = min(answer, most)
        return text + round(answer)

    def learn(self, request: CompletionRequest, output_tokens: int) -> None:
        """Takes note of how long an answer was."""
        if len(self._mean_answers) >= _MAX_MODELS:
            self._mean_answers.clear()
        mean = self._mean_answers.setdefault(request.model, output_tokens)
        self._mean_answers[request.model] = mean + (output_tokens - mean) * _WEIGHT
