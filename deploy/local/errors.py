"""What goes wrong with the local stack, told in one message a person can act on."""


class LocalStackError(Exception):
    """The local stack cannot do what was asked; its text says why and what helps."""
