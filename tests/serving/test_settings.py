"""Settings of the server: the page about them, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.yaml_file import load_as
from serving.server import settings
from serving.server.exposition import PATHS
from serving.server.settings import ServerSettings

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")


def read(tmp_path, text):
    (tmp_path / "serving.yaml").write_text(text)
    return load_as(tmp_path / "serving.yaml", ServerSettings)


def test_yaml_of_the_page_has_every_setting(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = read(tmp_path, block)
    assert found.tls.key == tmp_path / "server.key"
    assert found.auth.token_file == tmp_path / "token"
    assert found.request_log.folder == tmp_path / "requests"
    for part in (settings.Limits, settings.Batching, settings.RequestLogSettings, ServerSettings):
        for name in part.model_fields:
            assert re.search(rf"\b{name}\b", block), name
    # what the page shows beside the switched on is the default
    unlimited = found.limits.model_copy(update={"json_depth": None})
    assert (unlimited, found.batching) == (settings.Limits(), settings.Batching())


def test_every_metric_of_the_page_is_told(ask):
    ask("POST", "/v1/models/m:predict", json={"instances": [1]})
    text = ask("GET", PATHS[0]).text
    names = re.findall(r"^\| `([:\w]+_\w+)`", PAGE, re.MULTILINE)
    assert len(names) > 8
    for name in names:
        assert name in text or "request_log" in name, name


def test_nothing_is_needed():
    assert ServerSettings().limits.body_bytes == 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("limit: {}", "serving.yaml:1:1: limit: unknown key"),
        ("metrics: true\nlimits:\n  body_gb: 1", "serving.yaml:3:3: limits.body_gb: unknown key"),
        ("limits: {headers: 0}", "limits.headers: expected greater than 0, received '0'"),
        ("auth: {}", "serving.yaml:1: auth: expected one of token_file and token_env"),
        ("auth: {token_file: a, token_env: B}", "auth: expected one of token_file and token_env"),
        ("auth: {token: abc}", "auth.token: unknown key"),
        ("tls: {key: a}", "serving.yaml:1: tls.certificate: required, but missing"),
        (
            "request_log: {folder: a, format: csv}",
            "request_log.format: expected 'parquet' or 'tfrecord', received 'csv'",
        ),
        (
            "request_log: {folder: a, sample: 1.5}",
            "request_log.sample: expected less than or equal to 1, received '1.5'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(tmp_path, text, error):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert any(error in message for message in caught.value.messages), caught.value.messages


def test_secret_is_not_told(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "auth: {token: s3cret}")
    assert "s3cret" not in str(caught.value)
