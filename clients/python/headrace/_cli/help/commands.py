"""Commands and their group with examples at the end of their help."""

import inspect
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from headrace._cli.help.examples import EXAMPLES, PROGRAM_EXAMPLES, SECTIONS


class CommandWithExamples(TyperCommand):
    """A command whose epilog are examples, printed as they are."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples."""
        _write_examples(self.epilog or "", formatter)


class CommandsInSections(TyperGroup):
    """The group of all commands, listed in sections, with examples before its epilog."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands by section. One without a section comes last."""
        listed = [name for names in SECTIONS.values() for name in names]
        others = tuple(name for name in self.list_commands(ctx) if name not in listed)
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        for title, names in {**SECTIONS, "Other commands": others}.items():
            found = [(name, self.commands[name]) for name in names if name in self.commands]
            if found:
                with formatter.section(title):
                    formatter.write_dl(
                        [(f"{name:{width}}", each.get_short_help_str(limit)) for name, each in found]
                    )

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes examples, then the epilog."""
        _write_examples(PROGRAM_EXAMPLES, formatter)
        super().format_epilog(ctx, formatter)


def add_examples(app: typer.Typer) -> None:
    """Adds the examples of each command of an application to its help."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", None)
        command.cls, command.epilog = CommandWithExamples, EXAMPLES.get(str(name))


def _write_examples(examples: str, formatter: Any) -> None:
    if examples:
        with formatter.section("Examples"):
            indent = " " * formatter.current_indent
            formatter.write("".join(f"{indent}{line}\n" for line in inspect.cleandoc(examples).splitlines()))
