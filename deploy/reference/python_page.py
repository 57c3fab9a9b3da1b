"""The reference of the Python client, from the docstrings of its public classes."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from deploy.local.paths import REPOSITORY
from deploy.reference.docstrings import parse_docstring, section_lines

_CLIENT = REPOSITORY / "clients/python/headrace"
_NOTE = "<!-- Made from the docstrings in clients/python/ by `make reference`; change them there. -->"
_INTRODUCTION = (
    "The [README of the client](../clients/python/README.md) shows first jobs; [cli.md](cli.md) is the "
    "reference of the command line. All names can be imported from `headrace`, those of kinds from "
    "`headrace.kinds`."
)
_RESOURCES = [
    f"resources/_{name}.py" for name in ("jobs", "events", "results", "history", "kinds", "workers")
]


def python_page() -> str:
    """Returns the page as Markdown."""
    parts = ["# Python client", _NOTE, _INTRODUCTION]
    parts += ["## Clients", *_class_lines(_with_calls(_classes("client.py")["Client"]))]
    parts += _summaries(_with_calls(_classes("sync_client.py")["SyncClient"]))
    parts += ["## Results", *_class_lines(_classes("_reading/results.py")["Results"])]
    parts += _summaries(_classes("_reading/sync_results.py")["SyncResults"])
    parts += ["## Items", *_class_lines(_classes("_data/items.py")["Items"])]
    parts += _method_lines(_function("_data/items.py", "read_items"))
    parts += ["## Options", *_class_lines(_classes("options.py")["JobOptions"])]
    for name in ("SubmitArguments", "JobChanges"):
        parts += _class_lines(_classes("options.py")[name])
    parts += ["## Resources", "Every object has this method."]
    for method in _methods(_classes("resources/_plain_dicts.py")["PlainDict"]):
        parts += _method_lines(method)
    for path in _RESOURCES:
        parts += [line for node in _classes(path).values() for line in _class_lines(node)]
    parts += ["### JsonText", *_text_of(_classes("_messages/json_text.py")["JsonText"])]
    parts += ["## Errors", *_errors(_classes("errors.py"))]
    parts += ["## Kinds"]
    for path in ("kinds/kind.py", "kinds/request_options.py", "kinds/request_params.py", "kinds/estimate.py"):
        parts += [line for node in _classes(path).values() for line in _class_lines(node)]
    return "\n\n".join(parts) + "\n"


@cache
def _classes(path: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(_CLIENT / path).read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"}


def _with_calls(node: ast.ClassDef) -> ast.ClassDef:
    """Returns a client with the methods of the private classes that it inherits from."""
    groups = {
        name: each
        for path in sorted((_CLIENT / "_client").glob("*.py"))
        for name, each in _classes(f"_client/{path.name}").items()
    }
    inherited = {
        method.name: method
        for base in map(_source, node.bases)
        for method in _methods(_with_calls(groups[base]))
    }
    body = [*node.body[:1], *inherited.values(), *node.body[1:]]
    return ast.ClassDef(name=node.name, bases=[], keywords=[], body=body, decorator_list=[])


def _function(path: str, name: str) -> ast.FunctionDef:
    tree = ast.parse(Path(_CLIENT / path).read_text())
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _class_lines(node: ast.ClassDef) -> Iterator[str]:
    """Yields a class: title, docstring with the types of its fields, values of an enum, methods."""
    types = {
        each.target.id: _source(each.annotation)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    docstring = parse_docstring(_docstring(node))
    yield f"### {node.name}"
    yield from section_lines(docstring, types)
    if types and "Attributes" not in docstring.sections:
        yield "Attributes: " + ", ".join(f"`{name}` (`{kind}`)" for name, kind in types.items()) + "."
    values = list(_enum_values(node))
    if values:
        yield "\n".join(values)
    for method in _methods(node):
        yield from _method_lines(method)


def _method_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    yield f"#### {node.name}"
    is_property = any(
        _source(decorator) in ("property", "cached_property") for decorator in node.decorator_list
    )
    if not is_property:
        yield f"```python\n{_signature(node)}\n```"
    yield from section_lines(parse_docstring(_docstring(node)), {})


def _summaries(node: ast.ClassDef) -> Iterator[str]:
    """Yields a class whose calls are documented elsewhere: its docstring, and a line for each call."""
    yield f"### {node.name}"
    yield from _text_of(node)
    yield "Calls:\n\n" + "\n".join(
        f"- `{method.name}`: {' '.join(parse_docstring(_docstring(method)).paragraphs)}"
        for method in _methods(node)
    )


def _errors(classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    """Yields the classes with attributes of their own in full, and a line for each other class."""
    yield from _class_lines(classes["HeadraceError"])
    for name in ("FieldViolation", "JobUnsuccessfulError", "ItemUnsuccessfulError"):
        yield from _class_lines(classes[name])
    yield "### Error classes"
    rows = ["| class | default reason | meaning |", "|---|---|---|"]
    for name, node in classes.items():
        reasons = [
            each.value.attr
            for each in node.body
            if isinstance(each, ast.Assign)
            and _source(each.targets[0]) == "default_reason"
            and isinstance(each.value, ast.Attribute)
        ]
        if reasons:
            rows.append(f"| `{name}` | `{reasons[0]}` | {parse_docstring(_docstring(node)).summary} |")
    yield "\n".join(rows)


def _text_of(node: ast.ClassDef) -> Iterator[str]:
    return section_lines(parse_docstring(_docstring(node)), {})


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for each in node.body:
        if (
            isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
            and each.name[0] != "_"
            and "overload" not in map(_source, each.decorator_list)
        ):
            yield each


def _enum_values(node: ast.ClassDef) -> Iterator[str]:
    """Yields each value of an enum with the string below it."""
    for value, text in zip(node.body, node.body[1:], strict=False):
        if isinstance(value, ast.Assign) and isinstance(text, ast.Expr):
            yield f"- `{_source(value.targets[0])}`: {parse_docstring(ast.literal_eval(text.value)).summary}"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Returns the signature without ``self``, with an argument on each line if it is long."""
    arguments = node.args
    positional = arguments.args[1:] if arguments.args[0].arg == "self" else arguments.args
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    shown = [_argument(a, d) for a, d in zip(positional, [*defaults, *arguments.defaults], strict=True)]
    if arguments.kwonlyargs:
        shown.append("*")
    shown += [_argument(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        shown.append(f"**{_argument(arguments.kwarg, None)}")
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    end = f" -> {_source(node.returns)}" if node.returns else ""
    line = f"{start} {node.name}({', '.join(shown)}){end}"
    if len(line) <= 100:
        return line
    return f"{start} {node.name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){end}"


def _argument(node: ast.arg, default: ast.expr | None) -> str:
    kind = f": {_source(node.annotation)}" if node.annotation else ""
    return f"{node.arg}{kind}" + ("" if default is None else f" = {ast.unparse(default)}")


def _source(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        return node.value  # an annotation in quotes
    return ast.unparse(node)


def _docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = ast.get_docstring(node)
    if text is None:
        raise SystemExit(f"{node.name} has no docstring")
    return text
