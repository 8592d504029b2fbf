"""An InferenceService for each model; KServe makes the deployment, the service and the autoscaler of it.

Token and request log are those of the gateway before it: a proxy of ours has no place in KServe's pod.
https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.deployment import objects
from serving.deployment.alerts import Watched
from serving.deployment.plan import File, Node, Plan
from serving.deployment.server import CONFIG, METRICS_PATH, list_shared_arguments, render_parameters
from serving.errors import InvalidArgumentError

MANIFESTS = "manifests.yaml"
REST_PORT, GRPC_PORT = 8080, 9000
"""Of KServe's own runtime for TensorFlow."""


def render(plan: Plan) -> list[File]:
    """Return the manifests.

    Raises:
        InvalidArgumentError: labels are wanted, which KServe has no models.config for.
    """
    if plan.settings.versions == "labelled":
        raise InvalidArgumentError("versions: expected newest, for KServe names one model to its server; got labelled")
    documents = [document for model in plan.models for document in _documents(plan.of(model))]
    storage = plan.settings.storage
    where = storage.uri or f"below /{storage.folder} of the PersistentVolumeClaim {storage.claim}"
    comment = f"Rendered by `penstock deploy render` for KServe 0.16 and newer.\nThe models: {where}."
    return [objects.write_yaml(MANIFESTS, documents, comment)]


def watch(plan: Plan) -> list[Watched]:
    """Return the models as KServe's servers name them: the folder is the same in all, the pod's name is not."""
    return [
        Watched(each.name, f'model_path=~"/mnt/models/.*",pod=~"{each.name}-predictor-.*"', plan.find_p99_ms(model))
        for model in plan.models
        for each in [plan.of(model)]
    ]


def _documents(plan: Plan) -> list[Node]:
    files = render_parameters(plan)
    selector = {"serving.kserve.io/inferenceservice": plan.name}
    network = objects.limit_network(plan, selector, (REST_PORT, GRPC_PORT), REST_PORT)
    if plan.settings.storage.uri:
        network["spec"]["egress"] = [{}]  # KServe's init container fetches the model from there
    return [
        objects.hold_files(plan, files),
        _infer(plan, files),
        objects.allow_disruption(plan, selector),
        network,
    ]


def _infer(plan: Plan, files: Sequence[File]) -> Node:
    service = objects.name_object(plan, "InferenceService", "serving.kserve.io/v1beta1")
    service["metadata"]["annotations"] = {
        # a deployment with Kubernetes' own autoscaler; Knative's allows neither a claim nor files of our own
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "hpa",
    }
    return {**service, "spec": {"predictor": _predict(plan, files)}}


def _predict(plan: Plan, files: Sequence[File]) -> Node:
    replicas, account = plan.settings.replicas, plan.settings.storage.account
    return {
        "minReplicas": replicas.least,
        "maxReplicas": replicas.most,
        "scaleMetric": "cpu",
        "scaleTarget": replicas.cpu_percent,
        "automountServiceAccountToken": False,
        **({"serviceAccountName": account} if account else {}),
        "annotations": {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(REST_PORT),
            "prometheus.io/path": METRICS_PATH,
            "penstock/config": objects.digest(files),
        },
        "securityContext": objects.secure_pod(),
        "topologySpreadConstraints": objects.spread({"serving.kserve.io/inferenceservice": plan.name}),
        **objects.tolerate(plan),
        "model": _model(plan),
        "volumes": [
            {"name": "config", "configMap": {"name": plan.name}},
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }


def _model(plan: Plan) -> Node:
    path = f"/v1/models/{plan.name}"
    probe = {"httpGet": {"path": path, "port": REST_PORT}, "timeoutSeconds": 5}
    return {
        "modelFormat": {"name": "tensorflow", "version": "2"},
        "protocolVersion": "v1",
        "image": plan.image,
        "storageUri": _locate(plan),
        "args": list_shared_arguments(plan),
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**probe, "periodSeconds": 5},
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
        "resources": objects.grant(plan),
        "securityContext": objects.secure_container(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _locate(plan: Plan) -> str:
    storage, model = plan.settings.storage, plan.models[0].name
    folder = storage.folder.strip("/")
    base = storage.uri or "/".join(part for part in (f"pvc://{storage.claim}", folder) if part)
    return f"{base}/{model}"
