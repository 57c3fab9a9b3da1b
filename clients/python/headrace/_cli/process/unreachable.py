"""Explains why no gateway answers, from the words of gRPC."""

import re

_START = "start one with `headrace dev`, or name another with --target or HEADRACE_TARGET"
_CAUSES = (
    ("Connection refused", f"nothing listens there; {_START}"),
    ("No such file or directory", f"there is no such socket; {_START}"),
    ("SETTINGS frame as the first|http1", "the server there does not speak gRPC; name the port of a gateway"),
    ("Socket closed|Connection reset|before receiving SETTINGS", "the server there does not answer like a "
     "gateway; it may expect TLS, which headrace does not speak, or be another program"),
    ("rrors? resolving|lookup failed|Domain name not found", "its host name is not known; check the name"),
    ("[Nn]etwork is unreachable|No route to host", "no network leads there; check address and network"),
    ("Deadline Exceeded|timed? ?out", "there is no answer; check address and network"),
)  # fmt: skip


def explain(message: str) -> str:
    """Returns the cause and the remedy on one line; the message itself if its cause is not known."""
    known = (text for pattern, text in _CAUSES if re.search(pattern, message))
    return next(known, message)


def explain_unknown_call(message: str) -> str:
    """Returns the likely causes of a call that a server does not know."""
    return f"{message} The server is not a gateway, or one of an older version without this call"
