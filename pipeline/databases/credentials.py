"""Which database, and who logs in: a URL, the environment and a file like ~/.pgpass.

The password is never part of a text: not of the settings, of a message or of a `repr`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote

from pipeline.errors import InputError

USER = "PENSTOCK_SQL_USER"
PASSWORD = "PENSTOCK_SQL_PASSWORD"
PASSFILE = "PENSTOCK_PASSFILE"
KINDS = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "mssql",
    "sqlserver": "mssql",
    "sqlite": "sqlite",
}
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
URL = re.compile(
    r"(?P<scheme>\w+)(\+\w+)?://((?P<user>[^:@/?#]*)(:(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>\[[^\]@]+\]|[^:@/?#\[]*)(:(?P<port>\d{1,5}))?(/(?P<name>[^@/?#]*))?(\?(?P<options>[^@#]*))?"
)
SECRET = re.compile(r"(?:^|&)[^=&]*(?:pass|pwd|secret|token)[^=&]*=([^&]*)", re.IGNORECASE)
EXPECTED = (
    "expected postgresql://host:5432/database, mysql://..., mssql://..., sqlite:///data/shop.db or $NAME of an "
    "environment variable that holds one, special characters percent-encoded"
)


@dataclass(frozen=True)
class Database:
    """A database and who logs in.

    Attributes:
        kind: postgresql, mysql, mssql or sqlite.
        host: name or address; empty: the server's default.
        port: the kind's own where the URL has none.
        name: of the database; of SQLite the file.
        user: None: the driver's default.
        password: None: the server may not want one.
        options: the driver's, as they stand in the URL.
    """

    kind: str
    host: str = ""
    port: int = 0
    name: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return the URL without credentials and options."""
        return f"sqlite:///{self.name}" if self.kind == "sqlite" else f"{self.kind}://{self._place}"

    @property
    def _place(self) -> str:
        return f"{self.host}:{self.port}/{self.name}" if self.host else f"/{self.name}"

    @property
    def url(self) -> str:
        """The URL with the credentials, for a driver and nobody else."""
        login = quote(self.user or "", safe="")
        if self.password is not None:
            login += f":{quote(self.password, safe='')}"
        options = f"?{self.options}" if self.options else ""
        return f"{self.kind}://{login}{'@' if login else ''}{self._place}{options}"

    def scrub(self, text: str) -> str:
        """Return `text` with *** for the password, in any of its forms."""
        secrets = {self.password or "", *SECRET.findall(self.options)}
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret)) if form}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text


def parse(url: str) -> Database:
    """Return the database of a URL.

    Raises:
        ValueError: no URL of a database. The message does not repeat the URL: it may hold a password.
    """
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return Database("sqlite", name=url.removeprefix("sqlite:///"))
    found = URL.fullmatch(url)
    kind = KINDS.get(found["scheme"].lower()) if found else None
    if found is None or kind not in PORTS:
        raise ValueError(f"{EXPECTED}; received something else")
    return Database(
        kind,
        found["host"],
        int(found["port"] or PORTS[kind]),
        found["name"] or "",
        unquote(found["user"]) if found["user"] else None,
        unquote(found["password"]) if found["password"] is not None else None,
        found["options"] or "",
    )


def has_password(url: str) -> bool:
    """Return whether a URL holds a password, or may: one that can't be read and has an `@`."""
    if url.startswith(("$", "sqlite:")):
        return False
    try:
        database = parse(url)
    except ValueError:
        return "@" in url or SECRET.search(url.partition("?")[2]) is not None
    return database.password is not None or SECRET.search(database.options) is not None


def log_in(url: str, where: str = "source.url", variables: tuple[str, str] = (USER, PASSWORD)) -> Database:
    """Return the database of `url`, which stands at `where`, with user and password.

    They come from the URL in the environment (`url` is $NAME), from the environment `variables` of user and password,
    or from a file like ~/.pgpass, in this order. The file's place is $PENSTOCK_PASSFILE, $PGPASSFILE or ~/.pgpass.

    Raises:
        InputError: a variable that is not set or holds no URL, or a password file that others may read.
    """
    try:
        database = parse(_from_environment(url, where) if url.startswith("$") else url)
    except ValueError as error:
        message = f"{where}: {url if url.startswith('$') else 'the URL'}: {error}"
        raise InputError(message) from None
    if database.kind == "sqlite":
        if url.startswith("$") and not Path(database.name).is_absolute():
            raise InputError(f"{where}: {url}: expected an absolute path, received {database.name}")
        return database
    user = database.user or os.environ.get(variables[0])
    password = database.password if database.password is not None else os.environ.get(variables[1])
    database = replace(database, user=user, password=password)
    return database if password is not None else _look_up(database)


def _from_environment(url: str, where: str) -> str:
    value = os.environ.get(url[1:])
    if not value:
        raise InputError(f"{where}: expected a database's URL in the environment variable {url}, received none")
    return value


def _look_up(database: Database) -> Database:
    """Return `database` with the login of the first line of the password file that fits."""
    for host, port, name, user, password in _entries(_passfile()):
        place = (database.host or "localhost", str(database.port), database.name, database.user)
        fits = all(
            pattern in ("*", actual) or actual is None
            for pattern, actual in zip((host, port, name, user), place, strict=True)
        )
        if fits:
            return replace(database, user=database.user or (None if user == "*" else user), password=password)
    return database


def _passfile() -> Path | None:
    """Return the password file, None if there is none; one that was asked for has to be there."""
    asked = os.environ.get(PASSFILE)
    file = Path(asked or os.environ.get("PGPASSFILE") or "~/.pgpass").expanduser()
    if not file.is_file():
        if asked:
            raise InputError(f"${PASSFILE}: {file}: no such file")
        return None
    mode = file.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        raise InputError(f"{file}: expected a password file that only you may read (0600), received {mode:04o}")
    return file


def _entries(file: Path | None) -> Iterator[list[str]]:
    r"""Yield host, port, database, user and password of each line; `\:` and `\\` stand for : and \."""
    if file is None:
        return
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file}: expected a password file in UTF-8, received one that can't be read") from None
    for line in lines:
        found = re.fullmatch(r"((?:\\.|[^\\:])*):" * 4 + r"(.*)", line)
        if found and not line.startswith("#"):
            yield [re.sub(r"\\(.)", r"\1", part) for part in found.groups()]
