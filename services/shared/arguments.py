"""Answers ``--help`` of a service before it starts, and refuses arguments: services have only settings."""

import inspect
import os
import re
import sys
import textwrap
from collections.abc import Iterator

from services.shared.settings import ServiceSettings

_ATTRIBUTE = re.compile(r"    (\w+): (.+(?:\n {8}.+)*)")
_WIDTH = 100


def check_arguments(module: str, summary: str, settings_class: type[ServiceSettings]) -> None:
    """Returns if the process has no arguments. Prints the help for ``--help`` and exits with code 0.

    Other arguments are refused with code 2. Call it before the parts of the service are imported, which takes
    over a second.

    Args:
        module: Module that ``python -m`` runs.
        summary: Purpose of the service, in a sentence.
        settings_class: Its settings.
    """
    arguments = sys.argv[1:]
    if not arguments:
        return
    if {"-h", "--help"} & set(arguments):
        try:
            print("\n".join(_help_lines(module, summary, settings_class)), flush=True)
        except BrokenPipeError:  # its reader needed no more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    hint = f"settings are environment variables; see: python -m {module} --help"
    print(f"unknown argument {arguments[0]!r}: {hint}", file=sys.stderr)
    sys.exit(2)


def _help_lines(module: str, summary: str, settings_class: type[ServiceSettings]) -> Iterator[str]:
    yield f"Usage: python -m {module}"
    yield f"\n  {summary}\n\nSettings, from the environment:"
    documented = _attributes(settings_class)
    prefix = settings_class.model_config.get("env_prefix", "")
    for name, field in settings_class.model_fields.items():
        text = re.sub(rf"^{prefix}{name.upper()}[.:] ", "", documented.get(name, ""))
        text = text[:1].upper() + text[1:]
        if field.is_required():
            text += " Required."
        elif field.default not in (None, ""):
            text += f" [default: {field.default}]"
        yield f"  {prefix}{name.upper()}"
        yield textwrap.fill(
            text.strip(), _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
        )


def _attributes(settings_class: type[ServiceSettings]) -> dict[str, str]:
    """Returns the descriptions of the settings, from the docstrings of their classes."""
    return {
        name: " ".join(text.replace("``", "").split())
        for each in reversed(settings_class.__mro__)
        if issubclass(each, ServiceSettings)
        for name, text in _ATTRIBUTE.findall(inspect.getdoc(each) or "")
    }
