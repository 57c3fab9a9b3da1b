"""The components for the operators of KEDA and Prometheus."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from deploy.local.paths import REPOSITORY

# The schemas of the operators' kinds, compiled to functions. Newer versions need a newer Node.js.
PACKAGES = ("@kubernetes-models/keda@0.4.2", "@kubernetes-models/prometheus-operator@6.0.0")
MODULES = {
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "PodMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
}
VALIDATE = """
const [module, kind] = process.argv.slice(1);
import(module).then((found) => new found[kind](JSON.parse(require("fs").readFileSync(0))).validate());
"""
# Keys of these objects are names that a user chooses, or fields of Kubernetes itself.
FREE = {"annotations", "labels", "metadata", "selector"}


@pytest.fixture(scope="module")
def operators():
    """Folder with the npm packages of the operators' kinds, downloaded into .run/tools."""
    folder = REPOSITORY / ".run/tools/operators"
    stamp = folder / "node_modules/.headrace"
    if stamp.exists() and stamp.read_text() == " ".join(PACKAGES):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("these tests need npm, to download the schemas of the operators")
    folder.mkdir(parents=True, exist_ok=True)
    argv = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
    installed = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.fail(f"npm could not download {', '.join(PACKAGES)}:\n{installed.stderr}")
    stamp.write_text(" ".join(PACKAGES))
    return folder


def keys_of(value):
    """Returns all names of fields in a value, without names that users choose."""
    if isinstance(value, list):
        return set().union(*(keys_of(each) for each in value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_of(each) for key, each in value.items() if key not in FREE))


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_an_operators_object_fits_its_schema_and_has_no_unknown_field(monitored, operators, kind):
    (item,) = monitored.of(kind).values()
    argv = ["node", "-e", VALIDATE, MODULES[kind], kind]
    result = subprocess.run(
        argv, cwd=operators, input=json.dumps(item), capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    # The functions accept unknown fields. The declarations of the group name all known ones.
    folder = (operators / "node_modules" / MODULES[kind]).parent
    declarations = "\n".join(path.read_text() for path in folder.glob("*.d.ts"))
    known = set(re.findall(r'"?(\w+)"?\??:', declarations))
    assert keys_of(item["spec"]) <= known


def test_the_rules_for_the_operator_are_those_of_prometheus(monitored):
    (rule,) = monitored.of("PrometheusRule").values()
    alerts = yaml.safe_load((REPOSITORY / "deploy/observability/alerts.yaml").read_text())
    assert rule["spec"] == alerts, "copy the groups of alerts.yaml into prometheus-rule.yaml"


def test_the_monitor_scrapes_every_pod_of_headrace_at_its_metrics(monitored):
    (monitor,) = monitored.of("PodMonitor").values()
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    assert expression["operator"] == "In"
    assert expression["key"] == "app.kubernetes.io/name"
    assert set(expression["values"]) == set(monitored.of("Deployment"))
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for _, pod in monitored.own_pods():
        assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}


def test_workers_are_scaled_by_keda_alone_and_other_services_keep_their_minimum(monitored):
    (scaled,) = monitored.of("ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"] == {"name": "worker"}
    assert set(monitored.of("HorizontalPodAutoscaler")) == {"results", "gateway"}
    # An autoscaler of an earlier apply stays in the cluster: KEDA takes it over by its name.
    assert scaled["metadata"]["annotations"] == {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    assert scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "worker"
    assert scaled["spec"]["minReplicaCount"] >= 2


def test_a_worker_is_added_for_as_many_items_as_one_works_on_at_once(monitored):
    (scaled,) = monitored.of("ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    (worker,) = [container for container in monitored.containers() if container.name == "worker"]
    assert trigger["metadata"]["threshold"] == worker.environment["HEADRACE_IN_FLIGHT_LIMIT"]
    assert trigger["metadata"]["ignoreNullValues"] == "false", "missing metrics would remove workers"


def test_the_dashboard_is_in_a_config_map_for_grafanas_sidecar(monitored):
    config_map = monitored.of("ConfigMap")["headrace-dashboard"]
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    stored = json.loads(config_map["data"]["headrace.json"])
    assert stored == json.loads((REPOSITORY / "deploy/observability/dashboard.json").read_text())
