"""kubectl's patches of a second apply, of another version, and of an apply after a scale.

The server here stores objects and records patches without applying them. The patch is kubectl's own decision.
"""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
VERBS = ["create", "delete", "get", "list", "patch", "update"]
GROUPS = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "groupVersion": "apps/v1",
        "resources": [
            {
                "name": "deployments",
                "singularName": "deployment",
                "namespaced": True,
                "kind": "Deployment",
                "verbs": VERBS,
            }
        ],
    },
}


class Cluster:
    """The part of an API server that an apply of Deployments needs.

    Attributes:
        deployments: The stored objects by name.
        patches: Each patch that arrived, by the name of its object.
    """

    def __init__(self, kubectl, folder):
        self.deployments = {}
        self.patches = {}
        self._kubectl = kubectl
        self._folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def apply(self, deployments):
        """Applies these objects as kubectl does, and returns the patches that it sent."""
        self.patches.clear()
        argv = [self._kubectl, f"--server=http://127.0.0.1:{self._server.server_port}", "apply"]
        result = subprocess.run(
            [*argv, "--validate=false", "-f", "-"],
            input=yaml.safe_dump_all(deployments),
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "KUBECONFIG": "/dev/null"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        return dict(self.patches)

    def _handler(self):
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                found = GROUPS.get(path) or cluster.deployments.get(path.rpartition("/")[2])
                self._answer(
                    200 if found else 404, found or {"kind": "Status", "code": 404, "reason": "NotFound"}
                )

            def do_POST(self):
                item = self._body()
                item["spec"].setdefault("replicas", 1)  # as the API server does
                cluster.deployments[item["metadata"]["name"]] = item
                self._answer(201, item)

            def do_PATCH(self):
                name = self.path.partition("?")[0].rpartition("/")[2]
                cluster.patches[name] = self._body()
                self._answer(200, cluster.deployments[name])

            def _body(self):
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, status, content):
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        return Handler


@pytest.fixture
def cluster(kubectl, tmp_path):
    cluster = Cluster(kubectl, tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def deployments(prod):
    """Returns the Deployments of the overlay prod with an image, and with replicas if they are given."""

    def build(image="headrace:1", replicas=None):
        built = json.loads(json.dumps(list(prod.of("Deployment").values())))
        for item in built:
            spec = item["spec"]["template"]["spec"]
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                container["image"] = image
            if replicas is not None:
                item["spec"]["replicas"] = replicas
        return built

    return build


def scale(cluster, replicas):
    for item in cluster.deployments.values():
        item["spec"]["replicas"] = replicas


def test_a_second_apply_changes_nothing_even_after_a_scale(cluster, deployments):
    assert cluster.apply(deployments()) == {}
    assert set(cluster.deployments) == {"results", "gateway", "worker"}
    scale(cluster, 7)
    assert cluster.apply(deployments()) == {}


def test_another_version_changes_images_and_keeps_the_replicas(cluster, deployments):
    cluster.apply(deployments())
    scale(cluster, 7)
    patches = cluster.apply(deployments(image="headrace:2"))
    assert set(patches) == {"results", "gateway", "worker"}
    for patch in patches.values():
        assert set(patch["spec"]) == {"template"}
        assert set(patch["spec"]["template"]) == {"spec"}
        changed = patch["spec"]["template"]["spec"]
        containers = [*changed.pop("containers"), *changed.pop("initContainers", [])]
        assert {container["image"] for container in containers} == {"headrace:2"}
        assert all(set(container) == {"image", "name"} for container in containers)
        assert all(key.startswith("$setElementOrder/") for key in changed)


def test_replicas_in_a_manifest_would_undo_a_scale(cluster, deployments):
    cluster.apply(deployments(replicas=2))
    scale(cluster, 7)
    patches = cluster.apply(deployments(replicas=2))
    assert {patch["spec"]["replicas"] for patch in patches.values()} == {2}


def test_replicas_of_an_earlier_manifest_are_kept_once_kubectl_has_forgotten_them(cluster, deployments):
    """The remedy in deploy/upgrading.md, and the reason for it."""
    cluster.apply(deployments(replicas=2))
    scale(cluster, 7)
    removed = cluster.apply(deployments())
    assert {patch["spec"]["replicas"] for patch in removed.values()} == {None}
    for item in cluster.deployments.values():
        del item["metadata"]["annotations"][LAST_APPLIED]
    kept = cluster.apply(deployments())
    assert all("spec" not in patch for patch in kept.values())
