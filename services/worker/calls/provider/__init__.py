"""Access to a provider of language models: the interface, and an adapter for the openai library."""

from services.worker.calls.provider.openai_provider import OpenAiProvider
from services.worker.calls.provider.provider import CompletionRequest, Provider


def open_provider(in_flight_limit: int) -> Provider:
    """Returns the provider that OPENAI_API_KEY and OPENAI_BASE_URL name. It connects when first used.

    Args:
        in_flight_limit: Maximum calls in flight.
    """
    return OpenAiProvider(max_connections=in_flight_limit)


__all__ = ["CompletionRequest", "OpenAiProvider", "Provider", "open_provider"]
