"""Objects of Kubernetes that several targets need, and the documents that they are written to."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from serving.deployment.plan import File, Node, Plan

USER = 1000
"""Neither image is told to run as it by itself: both work as any user that is not root."""
BYTES_A_MB = 1_000_000


def write_yaml(name: str, documents: Sequence[Node], comment: str) -> File:
    """Return a file with these documents, under a comment of any number of lines."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import walk_tree

    yaml = YAML()
    yaml.width = 4096  # a folded command is hard to read
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True
    stream = io.StringIO()
    for document in documents:
        walk_tree(document)  # texts of several lines as blocks
    yaml.dump_all(documents, stream)
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return File(name, head + stream.getvalue())


def name_object(plan: Plan, kind: str, version: str) -> Node:
    """Return the head of an object."""
    metadata = {"name": plan.name, "namespace": plan.settings.namespace, "labels": label(plan)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def label(plan: Plan) -> Node:
    """Return the recommended labels; the first one tells the pods of a deployment."""
    return {**select(plan), "app.kubernetes.io/component": "model-server", "app.kubernetes.io/managed-by": "penstock"}


def select(plan: Plan) -> Node:
    """Return the label that the pods of the deployment have and no others."""
    return {"app.kubernetes.io/name": plan.name}


def hold_files(plan: Plan, files: Sequence[File]) -> Node:
    """Return the ConfigMap with these files."""
    return {**name_object(plan, "ConfigMap", "v1"), "data": {file.name: file.content for file in files}}


def digest(files: Sequence[File]) -> str:
    """Return what changes with the files, so that new ones replace the pods."""
    return hashlib.sha256("\n".join(f"{file.name}\n{file.content}" for file in files).encode()).hexdigest()[:16]


def allow_disruption(plan: Plan, selector: Node) -> Node:
    """Return the PodDisruptionBudget: one server at a time."""
    return {
        **name_object(plan, "PodDisruptionBudget", "policy/v1"),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector}},
    }


def limit_network(plan: Plan, selector: Node, ports: Sequence[int], metrics: int) -> Node:
    """Return the NetworkPolicy: who may ask, who may read metrics; the pods themselves call nobody."""
    clients: list[Node] = [{"podSelector": {}}, *(_namespace(name) for name in plan.settings.clients)]
    return {
        **name_object(plan, "NetworkPolicy", "networking.k8s.io/v1"),
        "spec": {
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": clients, "ports": [_port(port) for port in ports]},
                {"from": [_namespace(plan.settings.monitoring)], "ports": [_port(metrics)]},
            ],
            "egress": [],
        },
    }


def secure_pod() -> Node:
    """Return the security context of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def secure_container() -> Node:
    """Return the security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


def grant(plan: Plan) -> Node:
    """Return what the server gets: as much memory as it may use, and no bound on processors that nobody else needs."""
    gpus = {"nvidia.com/gpu": plan.settings.resources.gpus} if plan.gpu else {}
    memory = str(plan.memory_mb * BYTES_A_MB)
    return {
        "requests": {"cpu": str(plan.settings.resources.cpus), "memory": memory, **gpus},
        "limits": {"memory": memory, **gpus},
    }


def tolerate(plan: Plan) -> Node:
    """Return what lets a pod onto nodes that are kept for GPUs."""
    return (
        {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]} if plan.gpu else {}
    )


def spread(selector: Node) -> list[Node]:
    """Return what keeps servers apart where the cluster can."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
    ]


def _namespace(name: str) -> Node:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(port: int) -> Node:
    return {"protocol": "TCP", "port": port}
