"""Alert rules and documents name existing metrics and labels."""

import importlib
import re

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.local.paths import REPOSITORY

MODULES = (
    "services.gateway.metrics",
    "services.results.metrics",
    "services.shared.queue.publisher",
    "services.shared.queue.unreadable",
    "services.shared.rpc_metrics",
    "services.shared.rpc_server",
    "services.worker.metrics",
)
RULES = yaml.safe_load((REPOSITORY / "deploy/observability/alerts.yaml").read_text())["groups"][0]["rules"]


@pytest.fixture(scope="module")
def labels_of():
    """Labels of each series of the services, by name."""
    for module in MODULES:
        importlib.import_module(module)
    # The registry has no public way to list metrics without samples.
    names = [name for name in REGISTRY._names_to_collectors if name.startswith("headrace_")]
    found = {
        name: set(REGISTRY._names_to_collectors[name]._labelnames)
        for name in names
        if not name.endswith("_created")  # turned off
    }
    return {name: labels | ({"le"} if name.endswith("_bucket") else set()) for name, labels in found.items()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_names_series_and_labels_that_exist(rule, labels_of):
    named = re.findall(r"\bheadrace_\w+", rule["expr"])
    assert named
    assert set(named) <= set(labels_of)
    labels = set().union(*(labels_of[name] for name in named)) | {"instance"}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(", ")}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!)", rule["expr"]))
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert grouped | matched | shown <= labels
    assert shown <= grouped, "a sum drops all other labels"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_a_severity_a_summary_and_an_action(rule):
    assert rule["alert"].startswith("Headrace")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "action"}
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_alert_has_a_unique_name():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)


def test_the_readme_of_deployments_lists_every_metric_with_its_labels_and_no_other(labels_of):
    readme = (REPOSITORY / "deploy/README.md").read_text()
    rows = re.findall(r"^\| `(headrace_\w+)` \| [^|]+ \|([^|]*)\|", readme, re.MULTILINE)
    listed = {name: set(labels.replace(" ", "").split(",")) - {""} for name, labels in rows}
    series_ends = ("_bucket", "_count", "_sum")
    existing = {name: labels for name, labels in labels_of.items() if not name.endswith(series_ends)}
    metrics = {name: labels for name, labels in existing.items() if f"{name}_total" not in existing}
    assert listed == metrics
