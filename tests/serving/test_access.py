"""Token, CORS, probes and the list of models, without a socket."""

from __future__ import annotations

import pytest

from serving.errors import InvalidArgumentError, PermissionDeniedError
from serving.server.access import Token, check_admin, read_token
from serving.server.extras import Extras
from serving.server.registry import Registry
from serving.server.settings import Auth, Cors, ServerSettings

SECRET = "s3cret-token"
SIGNED = {"authorization": f"Bearer {SECRET}"}


@pytest.fixture
def guarded(tmp_path, ask_with):
    (tmp_path / "token").write_text(f"{SECRET}\nnot read\n")
    settings = ServerSettings(auth=Auth(token_file=tmp_path / "token"), cors=Cors(origins=("https://shop.example",)))
    return ask_with(settings)


@pytest.mark.parametrize("path", ["/v1/models/m", "/metrics", "/models", "/openapi.json", "/nowhere"])
def test_token_is_asked_for(guarded, path):
    for headers in ({}, {"authorization": SECRET}, {"authorization": "Bearer s3cret"}, {"authorization": "Bearer "}):
        refused = guarded("GET", path, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert SECRET not in refused.text
    assert guarded("GET", path, headers=SIGNED).status_code == (404 if path == "/nowhere" else 200)


def test_prediction_needs_the_token(guarded):
    body = {"instances": [1]}
    assert guarded("POST", "/v1/models/m:predict", json=body).status_code == 401
    answer = guarded("POST", "/v1/models/m:predict", json=body, headers={"authorization": f"bearer {SECRET}"})
    assert answer.json() == {"predictions": [1.0]}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/docs", "/docs/swagger-ui.css"])
def test_probes_need_no_token(guarded, path):
    assert guarded("GET", path).status_code in (200, 503)


def test_browser_of_a_known_origin_may_ask(guarded):
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization,content-type"
    allowed = guarded("OPTIONS", "/v1/models/m:predict", headers=asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    other = guarded("OPTIONS", "/v1/models/m:predict", headers=asked | {"origin": "https://other.example"})
    assert (other.status_code, other.headers.get("access-control-allow-origin")) == (400, None)


def test_token_of_the_environment(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_TOKEN", f" {SECRET}\n")
    token = read_token(Auth(token_env="PENSTOCK_TEST_TOKEN"))
    assert token.secret == SECRET.encode()
    assert SECRET not in f"{token!r} {token}"


@pytest.mark.parametrize("content", [b"", b"\nsecond line", b"two words", b"\xff"])
def test_file_without_a_token_is_refused(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match="token"):
        Extras(ServerSettings(auth=Auth(token_file=tmp_path / "token")))


@pytest.mark.parametrize(
    "peer",
    ["ipv4:127.0.0.1:1", "ipv4:127.8.8.8:1", "ipv6:%5B::1%5D:4711", "ipv6:[::ffff:127.0.0.1]:1", "unix:/x", "unix:"],
)
def test_fault_39_own_machine_administers_without_a_token(peer):
    check_admin(peer, None)


@pytest.mark.parametrize(
    "peer",
    ["ipv4:10.0.0.7:4711", "ipv6:%5B2001:db8::1%5D:4711", "ipv6:[::ffff:192.0.2.7]:1", "", "ipv4:localhost.evil:1"],
)
def test_fault_39_another_machine_needs_one(peer):
    with pytest.raises(PermissionDeniedError, match="start it with one"):
        check_admin(peer, None)
    check_admin(peer, Token(b"x"))


def test_models_are_listed_with_what_became_of_them(ask):
    models = {model["name"]: model["versions"] for model in ask("GET", "/models").json()["models"]}
    assert [(each["version"], each["state"], each["labels"]) for each in models["m"]] == [
        (3, "END", []),
        (2, "AVAILABLE", []),
    ]
    assert "Nope" in models["m"][0]["error"]
    assert models["empty"] == []


def test_readiness_ends_at_once_when_the_server_is_told_to_stop(ask_with):
    extras = Extras()
    ask = ask_with(extras)
    ready = ask("GET", "/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "draining": False, "unavailable": ["empty"]})
    extras.readiness.draining = True
    assert (ask("GET", "/readyz").status_code, ask("GET", "/livez").status_code) == (503, 200)


def test_server_without_a_model_is_not_ready(ask_with, tmp_path):
    waiting = Registry({"later": tmp_path}, lambda version, path: None)
    answer = ask_with(ServerSettings(), waiting)("GET", "/readyz")
    assert (answer.status_code, answer.json()["unavailable"]) == (503, ["later"])
