"""Names that users may import. A name that is not listed here is private and may change."""

import dataclasses
import inspect
import pkgutil
import re

import pytest

import headrace
from deploy.local.paths import REPOSITORY
from headrace import errors, kinds, resources

GENERATED = {
    "headrace.gateway",
    "headrace.gateway.v1",
    "headrace.gateway.v1.gateway_pb2",
    "headrace.gateway.v1.gateway_pb2_grpc",
    "headrace.jobs",
    "headrace.jobs.v1",
    "headrace.jobs.v1.error_reason_pb2",
    "headrace.jobs.v1.jobs_pb2",
    "headrace.reasons",
}
MODULES = {
    "headrace.client",
    "headrace.errors",
    "headrace.kinds",
    "headrace.no_proxy",
    "headrace.options",
    "headrace.resources",
    "headrace.sync_client",
}
KIND_MODULES = {  # the built-in kinds and their parts, for kinds that build on them
    "headrace.kinds.estimate",
    "headrace.kinds.json_bounds",
    "headrace.kinds.kind",
    "headrace.kinds.labels",
    "headrace.kinds.llm_classify",
    "headrace.kinds.llm_complete",
    "headrace.kinds.noop",
    "headrace.kinds.params",
    "headrace.kinds.preview",
    "headrace.kinds.registry",
    "headrace.kinds.request_options",
    "headrace.kinds.request_params",
    "headrace.kinds.template",
}
CLIENT = {
    "Client",
    "ErrorReason",
    "Items",
    "JobChanges",
    "JobOptions",
    "JsonText",
    "Results",
    "SubmitArguments",
    "SyncClient",
    "SyncResults",
    "read_items",
}
ERRORS = {
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "FieldViolation",
    "HeadraceError",
    "InternalError",
    "InvalidArgumentError",
    "ItemUnsuccessfulError",
    "JobUnsuccessfulError",
    "NotFoundError",
    "OutputMismatchError",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnimplementedError",
}
RESOURCES = {
    "FailedAttempt",
    "Failure",
    "FailureGroup",
    "Item",
    "ItemState",
    "Job",
    "JobChange",
    "JobClass",
    "JobEstimate",
    "JobEvent",
    "JobForecast",
    "JobHistoryEvent",
    "JobOutage",
    "JobState",
    "JobTrial",
    "KindInfo",
    "LiveEvent",
    "PauseReason",
    "Progress",
    "Result",
    "Usage",
    "UsageGroup",
    "UsageReport",
    "WatchedJob",
    "WorkerInfo",
}
KINDS = {
    "CallEstimate",
    "Completion",
    "ItemContext",
    "ItemFailedError",
    "JobFailedError",
    "JobRefusedError",
    "JsonValue",
    "Kind",
    "Message",
    "RequestOptions",
    "RequestParams",
    "RetryableError",
    "builtin_kinds",
    "estimate_tokens",
    "installed_kinds",
    "params_schema",
    "validate_params",
}


def test_these_modules_are_public_and_no_others():
    found = {module.name for module in pkgutil.walk_packages(headrace.__path__, "headrace.")}
    public = {name for name in found if not re.search(r"\._", name)}
    assert public == MODULES | KIND_MODULES | GENERATED


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (headrace, CLIENT | ERRORS | RESOURCES),
        (errors, ERRORS | {"DOMAIN", "from_rpc_error", "to_status"}),
        (kinds, KINDS),
        (resources, RESOURCES),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_module_exports_exactly_these_names(module, names):
    assert set(module.__all__) - {"__version__"} == names
    assert all(hasattr(module, name) for name in names)


def test_the_services_use_public_names_alone():
    private = re.compile(r"\bheadrace\._|from headrace import .*\b_(?!_version__)")
    services = (REPOSITORY / "services").rglob("*.py")
    assert not [path for path in services if private.search(path.read_text())]


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_the_docstring_of_a_resource_names_each_field(name):
    resource = getattr(headrace, name)
    if dataclasses.is_dataclass(resource) and name not in {"Progress", "Usage"}:  # names that say it all
        documented = re.findall(r"^    (\w+): ", inspect.cleandoc(resource.__doc__), re.MULTILINE)
        assert documented == [field.name for field in dataclasses.fields(resource)]
