"""The network policies allow exactly the connections that Headrace makes."""

import ipaddress
from dataclasses import dataclass, field

import pytest

SERVICES = ("results", "gateway", "worker")
SERVERS = {"postgres": 5432, "rabbitmq": 5672, "redis": 6379}
PORTS = {"results": 50052, "gateway": 50051, "worker": 50061} | SERVERS


@dataclass
class Peer:
    """A pod of the overlay's namespace, a pod elsewhere in the cluster, or an address outside."""

    name: str
    labels: dict = field(default_factory=dict)
    namespace: str = ""
    address: str = "10.1.2.3"
    ports: dict = field(default_factory=dict)


@pytest.fixture
def pods(manifests):
    """The pods of the overlay by name."""
    return {
        name: Peer(
            name,
            pod["metadata"]["labels"],
            "own",
            ports={port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]},
        )
        for name, pod in manifests.pods()
    }


DNS = Peer("dns", {"k8s-app": "kube-dns"}, "kube-system")
NODE_CACHE = Peer("node-cache", address="169.254.20.10")
PROMETHEUS = Peer("prometheus", namespace="monitoring")
OTHER_POD = Peer("other", {"app": "other"}, "other")
PROVIDER = Peer("provider", address="104.18.7.192")
METADATA = Peer("metadata", address="169.254.169.254")
API_SERVER = Peer("api-server", address="10.96.0.1")
MANAGED_SERVER = Peer("managed", address="10.20.30.40")


def matches(rule_peer, peer):
    if block := rule_peer.get("ipBlock"):
        address = ipaddress.ip_address(peer.address)
        is_in = address in ipaddress.ip_network(block["cidr"])
        return is_in and not any(address in ipaddress.ip_network(net) for net in block.get("except", []))
    if selector := rule_peer.get("namespaceSelector"):
        if selector["matchLabels"] != {"kubernetes.io/metadata.name": peer.namespace}:
            return False
    elif peer.namespace != "own":
        return False
    wanted = rule_peer.get("podSelector", {}).get("matchLabels", {})
    return wanted.items() <= peer.labels.items()


def permits(rules, side, peer, port, protocol, ports):
    for rule in rules:
        numbers = {
            (ports.get(entry["port"], entry["port"]), entry.get("protocol", "TCP"))
            for entry in rule.get("ports", [])
        }
        peers = rule.get(side)
        if (port, protocol) in numbers and (peers is None or any(matches(each, peer) for each in peers)):
            return True
    return False


def rules_of(manifests, pod, direction):
    """Returns the rules of a pod in a direction, or None if no policy restricts it."""
    policies = [
        policy["spec"]
        for policy in manifests.of("NetworkPolicy").values()
        if policy["spec"]["podSelector"]["matchLabels"].items() <= pod.labels.items()
        and direction in policy["spec"]["policyTypes"]
    ]
    if not policies:
        return None
    return [rule for policy in policies for rule in policy.get(direction.lower(), [])]


@pytest.fixture
def connects(manifests):
    """Returns whether one peer may connect to another at a port."""

    def check(source, target, port, protocol="TCP"):
        for pod, direction, side, other in (
            (source, "Egress", "to", target),
            (target, "Ingress", "from", source),
        ):
            rules = rules_of(manifests, pod, direction) if pod.namespace == "own" else None
            if rules is not None and not permits(rules, side, other, port, protocol, target.ports):
                return False
        return True

    return check


def test_every_pod_is_restricted_in_both_directions(manifests, pods):
    for pod in pods.values():
        assert rules_of(manifests, pod, "Ingress") is not None, pod.name
        assert rules_of(manifests, pod, "Egress") is not None, pod.name


def test_pods_reach_each_other_only_where_headrace_calls(pods, connects):
    calls = {("gateway", "results"), ("worker", "results"), ("gateway", "worker")}
    if "postgres" in pods:
        calls |= {
            ("results", "postgres"),
            ("gateway", "rabbitmq"),
            ("worker", "rabbitmq"),
            ("worker", "redis"),
        }
    allowed = {
        (source.name, target.name)
        for source in pods.values()
        for target in pods.values()
        for port in {*PORTS.values(), 443, 9464, 80}
        if source is not target and connects(source, target, port)
    }
    assert allowed == calls
    for source, target in calls:
        assert connects(pods[source], pods[target], PORTS[target])


def test_clients_reach_the_gateway_alone_and_prometheus_the_metrics_of_each_service(pods, connects):
    for pod in pods.values():
        for port in {*PORTS.values(), 9464}:
            assert connects(OTHER_POD, pod, port) == (pod.name == "gateway" and port == 50051), pod.name
            is_open = port == 9464 or (pod.name == "gateway" and port == 50051)
            assert connects(PROMETHEUS, pod, port) == (is_open and pod.name in SERVICES), pod.name


def test_services_ask_dns_and_servers_do_not(pods, connects):
    for pod in pods.values():
        for protocol in ("UDP", "TCP"):
            for dns in (DNS, NODE_CACHE):
                assert connects(pod, dns, 53, protocol) == (pod.name in SERVICES), pod.name
        assert not connects(pod, OTHER_POD, 53, "UDP")


def test_only_workers_reach_the_provider(pods, connects):
    for pod in pods.values():
        assert connects(pod, PROVIDER, 443) == (pod.name == "worker"), pod.name
        assert not connects(pod, PROVIDER, 80)


def test_no_pod_reaches_the_metadata_of_its_node(pods, connects):
    for pod in pods.values():
        assert not connects(pod, METADATA, 80)


def test_production_reaches_its_own_servers_and_no_api_server(prod):
    reached = {}
    for name, template in prod.pods():
        pod = Peer(name, template["metadata"]["labels"], "own")
        rules = rules_of(prod, pod, "Egress")
        for port in (443, 5432, 5671, 5672, 6379):
            if permits(rules, "to", MANAGED_SERVER, port, "TCP", {}):
                reached.setdefault(name, []).append(port)
        assert not permits(rules, "to", API_SERVER, 443, "TCP", {})
        assert not permits(rules, "to", METADATA, 443, "TCP", {})
    assert reached == {"results": [5432], "gateway": [5671, 5672], "worker": [5671, 5672, 6379]}
