"""Every reason in the code is declared in the proto, and every declared reason is in the code."""

import ast
import re
from enum import StrEnum

import grpc
import pytest

from deploy.local.paths import REPOSITORY
from deploy.protos.error_reasons import PREFIX, print_module, read_reasons
from deploy.protos.reference import make_pages
from headrace.jobs.v1 import error_reason_pb2
from headrace.reasons import ErrorReason

CODES = {code.name for code in grpc.StatusCode} | {"item", "job"}
GENERATED = ("clients/python/headrace/jobs", "clients/python/headrace/gateway", "services/stubs")
# Names in capitals that are not reasons: environment variables, constants of libraries, names in help texts.
NOT_REASONS = {
    "BUDGET_HELD",
    "FORCE_COLOR",
    "GRPC_VERBOSITY",
    "JOB_ID",
    "NOT_SERVING",
    "NO_CALL",
    "NO_COLOR",
    "NO_PROXY",
    "ROUND_CEILING",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
}
RAISED = {"RetryableError", "ItemFailedError", "JobFailedError", "JobRefusedError"}
NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


class Reasons(ast.NodeVisitor):
    """Collects the reasons of a module, as strings or as members of ErrorReason.

    A name of several words in capitals counts anywhere. One word counts where only a reason can be.
    """

    def __init__(self):
        self.found = set()

    def visit_JoinedStr(self, node):
        pass

    def visit_Constant(self, node):
        if isinstance(node.value, str) and "_" in node.value:
            self.add(node)

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id == "ErrorReason":
            self.found.add(node.attr)
        self.generic_visit(node)

    def visit_Call(self, node):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in RAISED and node.args:
            self.add(node.args[0])
        for keyword in node.keywords:
            if keyword.arg == "reason":
                self.add(keyword.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if getattr(node.target, "id", "") == "default_reason":
            self.add(node.value)
        self.generic_visit(node)

    def visit_Assign(self, node):
        names = {getattr(target, "id", getattr(target, "attr", "")) for target in node.targets}
        if names & {"default_reason", "error_reason"}:
            self.add(node.value)
        if "__all__" not in names:
            self.generic_visit(node)

    def visit_Compare(self, node):
        if getattr(node.left, "attr", "") == "reason":
            for value in node.comparators:
                self.add(value)
        self.generic_visit(node)

    def add(self, node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
            self.found.add(node.value)


@pytest.fixture(scope="module")
def used():
    """Each reason in the code of services and client, with the files that name it."""
    used = {}
    for path in sorted(
        p for top in ("services", "clients/python/headrace") for p in (REPOSITORY / top).rglob("*.py")
    ):
        name = str(path.relative_to(REPOSITORY))
        if name.startswith(GENERATED) or name.endswith("headrace/reasons.py"):
            continue
        reasons = Reasons()
        reasons.visit(ast.parse(path.read_text()))
        for reason in reasons.found - NOT_REASONS:
            if not reason.startswith(("HEADRACE_", "OPENAI_")):
                used.setdefault(reason, []).append(name)
    return used


def test_every_reason_in_the_code_is_declared(used):
    assert {reason: files for reason, files in used.items() if reason not in ErrorReason.__members__} == {}


def test_every_declared_reason_is_in_the_code(used):
    assert ErrorReason.__members__.keys() - used.keys() == set()


def test_members_are_their_names_on_the_wire():
    assert issubclass(ErrorReason, StrEnum)
    values = error_reason_pb2.ErrorReason.keys()
    assert [f"{PREFIX}{reason}" for reason in ErrorReason] == values[1:]
    assert all(reason == name for name, reason in ErrorReason.__members__.items())


def test_every_reason_says_when_it_occurs_and_what_to_do():
    for reason in read_reasons():
        assert reason.occurrence.endswith("."), reason.name
        assert reason.remedy.endswith("."), reason.name
        assert set(reason.code.split(", ")) <= CODES, reason.name


def test_every_key_of_metadata_has_a_meaning():
    for reason in read_reasons():
        if reason.metadata != "none":
            for key in reason.metadata.split("; "):
                assert re.fullmatch(r"[a-z_]+: \S.*", key), reason.name


def test_the_module_and_the_page_list_every_reason_once():
    page, module = make_pages()["errors.md"], print_module(read_reasons())
    for reason in ErrorReason:
        assert page.count(f"| `{reason}` |") == 1
        assert module.count(f'    {reason} = "{reason}"\n') == 1
