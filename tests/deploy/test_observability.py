"""Alert rules, the dashboard and documents name existing metrics and labels."""

import importlib
import json
import re
import subprocess

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.local.packages import ensure_installed
from deploy.local.paths import REPOSITORY, run_directory

MODULES = (
    "services.gateway.metrics",
    "services.results.metrics",
    "services.shared.metrics",
    "services.shared.queue.publisher",
    "services.shared.queue.unreadable",
    "services.shared.serving.rpc_metrics",
    "services.shared.serving.rpc_server",
    "services.worker.metrics",
)
OBSERVABILITY = REPOSITORY / "deploy/observability"
RULES = yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS = [
    panel
    for panel in json.loads((OBSERVABILITY / "dashboard.json").read_text())["panels"]
    if panel["type"] != "row"
]


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


def check_names(expression, labels_of):
    """Checks the series and labels of an expression. Returns the labels that it groups by."""
    named = re.findall(r"\bheadrace_\w+", expression)
    assert named
    assert set(named) <= set(labels_of)
    labels = set().union(*(labels_of[name] for name in named)) | {"instance"}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!)", expression))
    assert grouped | matched <= labels
    return grouped


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_names_series_and_labels_that_exist(rule, labels_of):
    grouped = check_names(rule["expr"], labels_of)
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert shown <= grouped, "a sum drops all other labels"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_series_and_labels_that_exist(panel, labels_of):
    for target in panel["targets"]:
        grouped = check_names(target["expr"], labels_of)
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert shown <= grouped | {"instance"}, "a sum drops all other labels"


def test_the_dashboard_shows_every_metric(labels_of):
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    series_ends = re.compile("_(bucket|count|sum)$")
    metrics = {
        series_ends.sub("", name)
        for name in labels_of
        if f"{name}_total" not in labels_of and f"{name}_bucket" not in labels_of
    }
    assert {name for name in metrics if name not in shown} == set()


def test_panels_have_unique_ids_and_titles_and_do_not_overlap():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in PANELS
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts.test.yaml"),
        ("check", "config", "prometheus.yaml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_files(arguments):
    ensure_installed(["prometheus"], run_directory() / "apt.log")
    result = subprocess.run(
        ["promtool", *arguments], cwd=OBSERVABILITY, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr


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
