"""The proxy before the server: nginx, which asks for the token, logs requests and lets nothing else through.

TensorFlow Serving has neither a token nor a log of its own, and lets anybody who reaches its gRPC port change what it
serves (`ModelService/HandleReloadConfigRequest`); that method is not passed on.
"""

from __future__ import annotations

from serving.deployment.plan import File, Plan
from serving.deployment.server import GRPC_PORT as SERVER_GRPC
from serving.deployment.server import METRICS_PATH, TIMEOUT_MS
from serving.deployment.server import REST_PORT as SERVER_REST

REST_PORT, GRPC_PORT, METRICS_PORT = 8501, 8500, 9090
FILE = "nginx.conf.template"
TOKEN = "PENSTOCK_TOKEN"
TEMPLATES, FILLED_IN = "/etc/nginx/templates", "/etc/nginx/conf.d"
"""The image fills in environment variables in the files of the first and writes them to the second when it starts."""
LIVE_PATH, READY_PATH = "/livez", "/readyz"

_LINES = (
    '"time":"$time_iso8601","id":"$request_id","client":"$remote_addr","method":"$request_method",'
    '"path":"$request_uri","status":$status,"seconds":$request_time,"server_seconds":"$upstream_response_time",'
    '"received_bytes":$request_length,"sent_bytes":$body_bytes_sent'
)
_BODIES = f'{_LINES},"body":"$request_body"'


def render_proxy(plan: Plan, server: str) -> File:
    """Return the template of nginx's configuration for a server at this host."""
    return File(FILE, "\n".join([_head(plan, server), _rest(plan), _grpc(plan), _monitoring(plan)]))


def _head(plan: Plan, server: str) -> str:
    settings = plan.settings
    log = "off" if settings.request_log == "off" else "/dev/stdout requests"
    fields = _BODIES if settings.request_log == "bodies" else _LINES
    # a body that does not fit into memory would be missing from the log
    buffer = f"client_body_buffer_size {settings.body_mb}m;\n" if settings.request_log == "bodies" else ""
    return f"""\
# nginx, before TensorFlow Serving; rendered by `penstock deploy render`.
log_format requests escape=json '{{{fields}}}';
access_log {log};
server_tokens off;
client_max_body_size {settings.body_mb}m;
{buffer}default_type application/json;

upstream rest {{ server {server}:{SERVER_REST}; keepalive 64; }}
upstream grpc {{ server {server}:{SERVER_GRPC}; keepalive 64; }}
"""


def _rest(plan: Plan) -> str:
    return f"""\
server {{
  listen {REST_PORT};
{_guard(plan)}  location /v1/models/ {{
    proxy_pass http://rest;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Authorization "";
    proxy_set_header X-Request-Id $request_id;
    proxy_read_timeout {TIMEOUT_MS // 1000}s;
  }}
  location / {{ return 404 '{{"error": "Not found"}}'; }}
}}
"""


def _grpc(plan: Plan) -> str:
    return f"""\
server {{
  listen {GRPC_PORT};
  http2 on;
{_guard(plan)}  location /tensorflow.serving.PredictionService/ {{
    grpc_pass grpc://grpc;
    grpc_set_header Authorization "";
    grpc_read_timeout {TIMEOUT_MS // 1000}s;
  }}
  location = /tensorflow.serving.ModelService/GetModelStatus {{
    grpc_pass grpc://grpc;
    grpc_set_header Authorization "";
  }}
  location / {{ return 404; }}
}}
"""


def _monitoring(plan: Plan) -> str:
    return f"""\
# for probes and Prometheus; nothing here tells of requests
server {{
  listen {METRICS_PORT};
  access_log off;
  location = {LIVE_PATH} {{ return 200 '{{"alive": true}}'; }}
  location = {READY_PATH} {{ proxy_pass http://rest/v1/models/{plan.models[0].name}; }}
  location = {METRICS_PATH} {{ proxy_pass http://rest; }}
  location / {{ return 404; }}
}}
"""


def _guard(plan: Plan) -> str:
    """Return what refuses requests without the token: `if` compares letter by letter, a map would ignore the case."""
    if plan.settings.auth is None:
        return ""
    answer = """return 401 '{"error": "Expected the header Authorization: Bearer TOKEN"}';"""
    return f"""  if ($http_authorization != "Bearer ${{{TOKEN}}}") {{ {answer} }}\n"""
