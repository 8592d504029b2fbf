"""Which database ML Metadata is in, and how to open it. Needs no TensorFlow."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from pipeline.databases.credentials import Database, log_in
from pipeline.errors import InputError, RunError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

VARIABLE = "PENSTOCK_METADATA"
LOGIN = ("PENSTOCK_METADATA_USER", "PENSTOCK_METADATA_PASSWORD")
SSL_OPTIONS = ("sslmode", "sslcert", "sslkey", "sslrootcert")
RETRIES = 60
"""How often ml-metadata tries a call whose database is locked, 2 to 4 s each; its own 5 give up after 20 s."""
PLAIN = re.compile(r"[\w.-]+")
VERSIONS = re.compile(r"database version (\d+) is (older|greater) than library version (\d+)")
LOCKED = "Concurrent writes aborted"
"""What ml-metadata says of a locked database."""
NO_CONNECTION = ("connection pointer is NULL", "mysql_real_connect", "metadata source error:")
"""How it says that a server can't be reached, or refuses the login; the reason itself goes to the log alone."""
Mode = Literal["READONLY", "READWRITE", "READWRITE_OPENCREATE"]


def find_database(workspace: Workspace) -> Database:
    """Return the database of $PENSTOCK_METADATA, else the workspace's SQLite file.

    Raises:
        InputError: the variable holds no URL of SQLite, PostgreSQL or MySQL.
    """
    if not os.environ.get(VARIABLE):
        return Database("sqlite", name=str(workspace.metadata))
    database = log_in(f"${VARIABLE}", where="metadata", variables=LOGIN)
    if database.kind == "mssql":
        raise InputError(f"${VARIABLE}: expected sqlite:///, postgresql:// or mysql://, received {database.kind}://")
    options = dict(parse_qsl(database.options))
    unknown = sorted(options.keys() - (SSL_OPTIONS if database.kind == "postgresql" else ()))
    if unknown:
        known = ", ".join(SSL_OPTIONS) if database.kind == "postgresql" else "none"
        raise InputError(f"${VARIABLE}: {database}: expected options of {known}, received {', '.join(unknown)}")
    return database


def metadata_file(workspace: Workspace) -> Path | None:
    """Return the SQLite file, None if a server has the metadata."""
    database = find_database(workspace)
    return Path(database.name) if database.kind == "sqlite" else None


def has_metadata(workspace: Workspace) -> bool:
    """Return whether there is something to read; a server is always asked."""
    file = metadata_file(workspace)
    return file is None or file.exists()


def place(workspace: Workspace) -> str:
    """Return the file or the URL without credentials, for messages."""
    file = metadata_file(workspace)
    return str(file or find_database(workspace))


def connection_config(workspace: Workspace, mode: Mode = "READWRITE_OPENCREATE") -> Any:
    """Return ml-metadata's settings of a connection, without a password; `mode` is SQLite's alone.

    Raises:
        InputError: the server's schema is of another version.
        RunError: the server can't be reached.
    """
    # read as ml-metadata is loaded: else its C++ part tells of each connection to a server
    os.environ.setdefault("GLOG_minloglevel", "2")
    from ml_metadata.proto import metadata_store_pb2

    database = find_database(workspace)
    if database.kind != "sqlite":
        from pipeline.metadata.relay import PORT, start_relay

        try:
            host = start_relay(server_config(database).SerializeToString(), stand_in=database.kind == "postgresql")
        except RuntimeError as error:
            raise explain(workspace, error) from error
        client = metadata_store_pb2.MetadataStoreClientConfig(host=host, port=PORT)
        client.channel_arguments.max_receive_message_length = -1
        return client
    config = metadata_store_pb2.ConnectionConfig()
    config.retry_options.max_num_retries = RETRIES
    config.sqlite.filename_uri = database.name
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.ConnectionMode.Value(mode)
    return config


def server_config(database: Database) -> Any:
    """Return ml-metadata's ConnectionConfig of a server, which has to have the database; it holds the password."""
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    login = {"host": database.host or "localhost", "user": database.user or "", "password": database.password or ""}
    if database.kind == "mysql":
        mysql = metadata_store_pb2.MySQLDatabaseConfig(**login, database=database.name, port=database.port)
        config.mysql.CopyFrom(mysql)
    else:
        # libpq gets them as text, `host=... password=...`, which ml-metadata does not quote
        given = {name: _quote(value) for name, value in login.items() if value}
        given |= {"port": str(database.port), "dbname": _quote(database.name)}
        config.postgresql.CopyFrom(metadata_store_pb2.PostgreSQLDatabaseConfig(**given))
        for name, value in parse_qsl(database.options):
            setattr(config.postgresql.ssloption, name, _quote(value))
    getattr(config, database.kind).skip_db_creation = True
    return config


@contextmanager
def open_store(workspace: Workspace, mode: Mode = "READWRITE") -> "Iterator[MetadataStore]":
    """Yield ml-metadata's store.

    Raises:
        InputError: its schema is of another version.
        RunError: it can't be opened or read.
    """
    config = connection_config(workspace, mode)
    from ml_metadata import MetadataStore, errors

    try:
        store = MetadataStore(config)
    except RuntimeError as error:
        raise explain(workspace, error) from error
    try:
        yield store
    except errors.StatusError as error:
        raise explain(workspace, error) from error


def explain(workspace: Workspace, error: Exception) -> InputError | RunError:
    """Return what is wrong with the metadata by an error of ml-metadata's, and what to do."""
    text = str(error).strip()
    found = VERSIONS.search(text)
    if found is None:
        why = "another process has locked it for minutes" if LOCKED in text else text
        if any(each in text for each in NO_CONNECTION):
            why = f"no connection ({text.rstrip(':')}); is it there, and are user and password right?"
        return RunError(f"{place(workspace)}: ML Metadata can't read it: {why}")
    version, age, expected = found.groups()
    remedy = (
        f"`penstock doctor PROBLEM --upgrade-metadata` backs it up and upgrades it ({workspace.name})"
        if age == "older"
        else "install the ml-metadata that wrote it, or go back to a copy (docs/doctor.md)"
    )
    return InputError(
        f"{place(workspace)}: expected schema version {expected} of ML Metadata, received {version}: {remedy}"
    )


def _quote(value: str) -> str:
    """Return a value of a connection string (https://www.postgresql.org/docs/current/libpq-connect.html)."""
    if PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
