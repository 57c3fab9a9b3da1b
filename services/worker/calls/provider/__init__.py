"""Access to a provider of language models: the interface, and an adapter for the OpenAI API."""

from services.worker.calls.provider.openai_provider import OpenAiProvider
from services.worker.calls.provider.profiles import read_profiles
from services.worker.calls.provider.provider import (
    CompletionRequest,
    Provider,
    RequestForm,
    form_of_options,
)


def open_provider(in_flight_limit: int, profiles_file: str | None = None) -> Provider:
    """Returns the provider that OPENAI_API_KEY and OPENAI_BASE_URL name. It connects when first used.

    Args:
        in_flight_limit: Maximum calls in flight.
        profiles_file: File that extends the profiles of providers. None for no file.

    Raises:
        ValueError: The file cannot be read or is invalid. The message says what is wrong.
    """
    return OpenAiProvider(max_connections=in_flight_limit, profiles=read_profiles(profiles_file))


__all__ = [
    "CompletionRequest",
    "OpenAiProvider",
    "Provider",
    "RequestForm",
    "form_of_options",
    "open_provider",
]
