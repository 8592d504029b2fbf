"""TensorFlow Serving behind its proxy on one machine, by Docker Compose."""

from __future__ import annotations

from serving.deployment import objects
from serving.deployment.plan import File, Node, Plan
from serving.deployment.proxy import (
    FILE,
    FILLED_IN,
    GRPC_PORT,
    LIVE_PATH,
    METRICS_PORT,
    REST_PORT,
    TEMPLATES,
    TOKEN,
    render_proxy,
)
from serving.deployment.server import CONFIG, list_arguments, render_models, render_parameters
from serving.deployment.server import REST_PORT as SERVER_REST
from serving.model_config import MOUNTED

COMPOSE = "compose.yaml"
FOLDER = "PENSTOCK_MODELS"
"""The variable that names another folder of models."""
PUBLISHED_METRICS = 8502


def render(plan: Plan, folder: str) -> list[File]:
    """Return compose.yaml and the files it mounts; `folder`, seen from compose.yaml, has a folder for each model."""
    configs = [*render_models(plan), *render_parameters(plan)]
    proxy = render_proxy(plan, "server")
    document: Node = {
        "name": plan.name,
        "services": {"server": _server(plan, configs, folder), "proxy": _proxy(plan)},
        "networks": {"inside": {"internal": True}, "outside": {}},
        "configs": {file.name: {"file": f"./{file.name}"} for file in (*configs, proxy)},
    }
    token = f"\n{TOKEN}=... docker compose up --wait   (or {TOKEN} in a file .env that stays here)"
    comment = f"Rendered by `penstock deploy render`.{token if plan.settings.auth else ''}"
    return [objects.write_yaml(COMPOSE, [document], comment), *configs, proxy]


def _harden(user: int) -> Node:
    return {
        "user": f"{user}:{user}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
    }


def _server(plan: Plan, configs: list[File], folder: str) -> Node:
    models = {"type": "bind", "source": f"${{{FOLDER}:-{folder}}}", "target": MOUNTED, "read_only": True}
    return {
        "image": plan.image,
        **_harden(objects.USER),
        "entrypoint": ["tensorflow_model_server"],
        "command": list_arguments(plan),
        # a missing push is an error, not an empty folder that root owns
        "volumes": [{**models, "bind": {"create_host_path": False}}],
        "configs": [{"source": file.name, "target": f"{CONFIG}/{file.name}"} for file in configs],
        "tmpfs": ["/tmp:mode=1777"],
        "networks": ["inside"],
        "healthcheck": _check(plan),
        "deploy": {"resources": _grant(plan)},
    }


def _check(plan: Plan) -> Node:
    """Return the health check: the image has bash and grep, but no curl."""
    request = f"GET /v1/models/{plan.models[0].name} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n"
    command = f"exec 3<>/dev/tcp/127.0.0.1/{SERVER_REST} && printf '{request}' >&3 && grep --quiet AVAILABLE <&3"
    return {
        "test": ["CMD", "bash", "-c", command],
        "interval": "5s",
        "timeout": "5s",
        "retries": 12,
        "start_period": "300s",
    }


def _grant(plan: Plan) -> Node:
    limits = {"limits": {"memory": f"{plan.memory_mb * objects.BYTES_A_MB}b"}}
    if not plan.gpu:
        return limits
    device = {"driver": "nvidia", "count": plan.settings.resources.gpus, "capabilities": ["gpu"]}
    return {**limits, "reservations": {"devices": [device]}}


def _proxy(plan: Plan) -> Node:
    published = {REST_PORT: REST_PORT, GRPC_PORT: GRPC_PORT, PUBLISHED_METRICS: METRICS_PORT}
    token = {"environment": {TOKEN: f"${{{TOKEN}:?the bearer token that clients send}}"}} if plan.settings.auth else {}
    return {
        "image": plan.settings.images.proxy,
        **_harden(objects.USER),
        **token,
        "depends_on": {"server": {"condition": "service_healthy"}},
        "configs": [{"source": FILE, "target": f"{TEMPLATES}/{FILE}"}],
        "tmpfs": ["/tmp:mode=1777", f"{FILLED_IN}:mode=1777"],
        "networks": ["inside", "outside"],
        "ports": [f"127.0.0.1:{outside}:{inside}" for outside, inside in published.items()],
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{METRICS_PORT}{LIVE_PATH}"],
            "interval": "5s",
            "timeout": "5s",
            "retries": 6,
        },
        "deploy": {"resources": {"limits": {"memory": "128m"}}},
    }
