"""TensorFlow Serving behind its proxy on Kubernetes, without an operator: one file for `kubectl apply -f`."""

from __future__ import annotations

from collections.abc import Sequence

from serving.deployment import objects
from serving.deployment.plan import File, Node, Plan
from serving.deployment.proxy import (
    FILLED_IN,
    GRPC_PORT,
    LIVE_PATH,
    METRICS_PORT,
    READY_PATH,
    REST_PORT,
    TEMPLATES,
    TOKEN,
    render_proxy,
)
from serving.deployment.server import CONFIG, METRICS_PATH, list_arguments, render_models, render_parameters
from serving.deployment.server import REST_PORT as SERVER_REST
from serving.model_config import MOUNTED

MANIFESTS = "manifests.yaml"
DRAIN_S = 5
"""So long a server goes on after it was told to stop: until then requests still come."""
PORTS = {"rest": REST_PORT, "grpc": GRPC_PORT}


def render(plan: Plan) -> list[File]:
    """Return the manifests."""
    files = [*render_models(plan), *render_parameters(plan), render_proxy(plan, "127.0.0.1")]
    selector = objects.select(plan)
    documents = [
        objects.hold_files(plan, files),
        _deploy(plan, files),
        _serve(plan),
        _scale(plan),
        objects.allow_disruption(plan, selector),
        objects.limit_network(plan, selector, list(PORTS.values()), METRICS_PORT),
    ]
    return [objects.write_yaml(MANIFESTS, documents, _comment(plan))]


def _comment(plan: Plan) -> str:
    storage, auth = plan.settings.storage, plan.settings.auth
    lines = [
        "Rendered by `penstock deploy render`. Needs",
        f"- the PersistentVolumeClaim {storage.claim} with a folder for each model below /{storage.folder}",
    ]
    if auth:
        lines.append(f"- the Secret {auth.name} with the bearer token under its key {auth.key}")
    return "\n".join(lines)


def _deploy(plan: Plan, files: Sequence[File]) -> Node:
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(METRICS_PORT)}
    annotations = {**scraped, "prometheus.io/path": METRICS_PATH, "penstock/config": objects.digest(files)}
    return {
        **objects.name_object(plan, "Deployment", "apps/v1"),
        "spec": {
            "selector": {"matchLabels": objects.select(plan)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": objects.label(plan), "annotations": annotations}, "spec": _pod(plan)},
        },
    }


def _pod(plan: Plan) -> Node:
    return {
        "automountServiceAccountToken": False,
        "securityContext": objects.secure_pod(),
        "terminationGracePeriodSeconds": 30 + DRAIN_S,
        "topologySpreadConstraints": objects.spread(objects.select(plan)),
        **objects.tolerate(plan),
        "containers": [_server(plan), _proxy(plan)],
        "volumes": [
            {"name": "models", "persistentVolumeClaim": {"claimName": plan.settings.storage.claim, "readOnly": True}},
            {"name": "config", "configMap": {"name": plan.name}},
            *({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}} for name in ("scratch", "filled")),
        ],
    }


def _server(plan: Plan) -> Node:
    model = plan.models[0].name
    # it answers once every model of its models.config has a version that loaded and passed its warm-up
    probe = {"httpGet": {"path": f"/v1/models/{model}", "port": SERVER_REST}, "timeoutSeconds": 5}
    folder = plan.settings.storage.folder.strip("/")
    return {
        "name": "server",
        "image": plan.image,
        "command": ["tensorflow_model_server"],
        "args": list_arguments(plan),
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
        "lifecycle": _drain(),
        "resources": objects.grant(plan),
        "securityContext": objects.secure_container(),
        "volumeMounts": [
            {"name": "models", "mountPath": MOUNTED, "readOnly": True, **({"subPath": folder} if folder else {})},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _proxy(plan: Plan) -> Node:
    auth = plan.settings.auth
    key = {"secretKeyRef": {"name": auth.name, "key": auth.key}} if auth else {}
    ports = {**PORTS, "metrics": METRICS_PORT}
    return {
        "name": "proxy",
        "image": plan.settings.images.proxy,
        **({"env": [{"name": TOKEN, "valueFrom": key}]} if auth else {}),
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "readinessProbe": {"httpGet": {"path": READY_PATH, "port": "metrics"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": LIVE_PATH, "port": "metrics"}, "periodSeconds": 10},
        "lifecycle": _drain(),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": objects.secure_container(),
        "volumeMounts": [
            {"name": "config", "mountPath": TEMPLATES, "readOnly": True},
            {"name": "filled", "mountPath": FILLED_IN},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _drain() -> Node:
    return {"preStop": {"exec": {"command": ["sleep", str(DRAIN_S)]}}}


def _serve(plan: Plan) -> Node:
    ports = [{"name": name, "port": port, "targetPort": name} for name, port in PORTS.items()]
    return {**objects.name_object(plan, "Service", "v1"), "spec": {"selector": objects.select(plan), "ports": ports}}


def _scale(plan: Plan) -> Node:
    replicas = plan.settings.replicas
    target = {"type": "Utilization", "averageUtilization": replicas.cpu_percent}
    return {
        **objects.name_object(plan, "HorizontalPodAutoscaler", "autoscaling/v2"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": plan.name},
            "minReplicas": replicas.least,
            "maxReplicas": replicas.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
