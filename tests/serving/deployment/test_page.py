"""The page about deployment has every setting, with its default where it shows one."""

import re
from pathlib import Path

from pipeline.yaml_file import load_as
from serving.deployment import settings
from serving.deployment.settings import DeploySettings

PAGE = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text("utf-8")


def test_yaml_of_the_page_has_every_setting(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "deploy.yaml").write_text(block)
    found = load_as(tmp_path / "deploy.yaml", DeploySettings)
    for name in settings.__dict__:
        part = getattr(settings, name)
        for field in getattr(part, "model_fields", ()):
            assert re.search(rf"\b{field}\b", block), f"{name}.{field}"
    plain = DeploySettings()
    for field in ("namespace", "versions", "images", "replicas", "batching", "auth", "request_log", "body_mb"):
        assert getattr(found, field) == getattr(plain, field), field
    assert (found.monitoring, found.alerts.error_share) == (plain.monitoring, plain.alerts.error_share)
    assert found.resources.model_copy(update={"memory_mb": None}) == plain.resources


def test_every_kind_of_file_is_told():
    for name in ("compose.yaml", "manifests.yaml", "nginx.conf.template", "prometheus-rules.yaml"):
        assert f"`{name}`" in PAGE
