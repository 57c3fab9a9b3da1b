"""The error of the local stack, with a message that a person can act on."""


class LocalStackError(Exception):
    """The local stack cannot do what was asked. The text names the cause and the remedy."""
