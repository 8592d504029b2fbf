"""Which database has the metadata, and how ml-metadata is told of it."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.metadata.connection import find_database, metadata_file, place, server_config
from pipeline.metadata.relay import STAND_IN, replace_text
from pipeline.workspace import Workspace

WORKSPACE = Workspace(home=Path("/home/x"), name="sales")


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PENSTOCK_METADATA", "PENSTOCK_METADATA_USER", "PENSTOCK_METADATA_PASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_the_workspaces_file_unless_a_url_says_otherwise(monkeypatch, tmp_path):
    assert metadata_file(WORKSPACE) == WORKSPACE.metadata
    monkeypatch.setenv("PENSTOCK_METADATA", f"sqlite:///{tmp_path}/shared.sqlite")
    assert metadata_file(WORKSPACE) == tmp_path / "shared.sqlite"
    monkeypatch.setenv("PENSTOCK_METADATA", "postgresql://ann:p%40ss@db.example:5433/meta")
    assert metadata_file(WORKSPACE) is None
    assert place(WORKSPACE) == "postgresql://db.example:5433/meta"


def test_postgresql_gets_quoted_values(monkeypatch):
    monkeypatch.setenv("PENSTOCK_METADATA", "postgresql://ann@db.example/meta?sslmode=require")
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", r"it's a \ secret")
    config = server_config(find_database(WORKSPACE)).postgresql
    assert (config.host, config.port, config.user, config.dbname) == ("db.example", "5432", "ann", "meta")
    assert config.password == r"'it\'s a \\ secret'"
    assert config.ssloption.sslmode == "require"
    assert config.skip_db_creation


def test_mysql_gets_values_as_they_are(monkeypatch):
    monkeypatch.setenv("PENSTOCK_METADATA", "mysql://db.example/meta")
    monkeypatch.setenv("PENSTOCK_METADATA_USER", "ann")
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", r"it's a \ secret")
    config = server_config(find_database(WORKSPACE)).mysql
    assert (config.host, config.port, config.user, config.database) == ("db.example", 3306, "ann", "meta")
    assert config.password == r"it's a \ secret"


def test_a_password_file_has_the_password_too(monkeypatch, tmp_path):
    (tmp_path / ".pgpass").write_text("db.example:5432:meta:ann:hidden\n")
    (tmp_path / ".pgpass").chmod(0o600)
    monkeypatch.setenv("PENSTOCK_METADATA", "postgresql://ann@db.example/meta")
    assert find_database(WORKSPACE).password == "hidden"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mssql://db.example/meta", "expected sqlite:///, postgresql:// or mysql://, received mssql://"),
        ("postgresql://db/meta?passwd=hidden", "expected options of sslmode, .*, received passwd"),
        ("mysql://db/meta?ssl=1", "expected options of none, received ssl"),
        ("sqlite:///shared.sqlite", "expected an absolute path, received shared.sqlite"),
        ("nonsense:hidden", "metadata: \\$PENSTOCK_METADATA: expected postgresql://.*received something else"),
    ],
)
def test_another_url_is_refused_without_its_secrets(monkeypatch, url, message):
    monkeypatch.setenv("PENSTOCK_METADATA", url)
    with pytest.raises(InputError, match=message) as refused:
        find_database(WORKSPACE)
    assert "hidden" not in str(refused.value)


def test_every_text_of_a_message_gets_the_stand_in_and_back():
    from ml_metadata.proto import metadata_store_pb2 as pb
    from ml_metadata.proto import metadata_store_service_pb2 as service

    request = service.PutExecutionRequest()
    request.execution.custom_properties["config"].string_value = '{"a": "\\""}'
    request.execution.custom_properties["rows"].int_value = 7
    request.execution.properties["nested"].struct_value.update({"deep": {"er": "a\\b"}})
    pair = request.artifact_event_pairs.add()
    pair.artifact.uri = "c:\\x"
    pair.event.path.steps.add().key = "k\\"
    original = pb.Execution.FromString(request.execution.SerializeToString())
    replace_text(request, lambda text: text.replace("\\", STAND_IN))
    assert b"\\" not in request.SerializeToString()
    assert request.execution.custom_properties["rows"].int_value == 7
    replace_text(request, lambda text: text.replace(STAND_IN, "\\"))
    assert request.execution == original
    assert pair.artifact.uri == "c:\\x"
