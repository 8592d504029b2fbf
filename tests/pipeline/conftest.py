"""A PostgreSQL server: that of $PENSTOCK_TEST_POSTGRES, else Debian's package."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.databases.credentials import Database, parse

VARIABLE = "PENSTOCK_TEST_POSTGRES"
PASSWORD = r"p@s:s/w\r d%é"
SETTINGS = "-c fsync=off -c synchronous_commit=off -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"


@dataclass(frozen=True)
class Server:
    """A running server; its user may make tables."""

    database: Database

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return str(self.database)

    def run(self, *statements: str) -> None:
        import adbc_driver_postgresql.dbapi as driver

        with driver.connect(self.database.url) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server; skips the test where there is none and none can be started."""
    url = os.environ.get(VARIABLE)
    if url:
        yield Server(parse(url))
        return
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(f"NO POSTGRESQL: apt-get install postgresql, or set ${VARIABLE} to the URL of a scratch database")
    folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
    try:
        yield from serve(binaries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl of the newest version."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("initdb")
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *packaged]
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists()), None)


def serve(binaries: Path, folder: Path) -> Iterator[Server]:
    """Start a server whose files are in `folder`, and stop it in the end."""
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD, "utf-8")
    secret.chmod(0o644)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(data), *arguments]
        with (folder / "output").open("w+") as output:
            # a pipe would stay open as long as the server runs
            done = subprocess.run(command, stdout=output, stderr=output, cwd=folder, check=False, **as_user)
        assert done.returncode == 0, (folder / "output").read_text()

    run("initdb", "--no-sync", "-A", "scram-sha-256", "-U", "tester", f"--pwfile={secret}", "-E", "UTF8", "--locale=C")
    run("pg_ctl", "start", "-w", "-l", str(folder / "data" / "log"), "-o", f"{SETTINGS} -p {port}")
    try:
        yield Server(Database("postgresql", "127.0.0.1", port, "postgres", "tester", PASSWORD))
    finally:
        run("pg_ctl", "stop", "-m", "immediate")
