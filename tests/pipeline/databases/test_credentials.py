"""Where a database's URL and login come from, and that the password stays out of every text."""

from pathlib import Path

import pytest

from pipeline.databases.credentials import Database, has_password, log_in, parse
from pipeline.errors import InputError

ENVIRONMENT = ("PENSTOCK_SQL_USER", "PENSTOCK_SQL_PASSWORD", "PENSTOCK_PASSFILE", "PGPASSFILE")


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write_passfile(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text, "utf-8")
    file.chmod(mode)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://host/shop", Database("postgresql", "host", 5432, "shop")),
        ("postgres+psycopg://host:5433/shop?sslmode=require", Database("postgresql", "host", 5433, "shop")),
        ("postgresql://reader@[::1]:5433/shop", Database("postgresql", "[::1]", 5433, "shop", "reader")),
        ("postgresql:///shop?host=/run/postgresql", Database("postgresql", "", 5432, "shop")),
        ("mariadb://host/shop", Database("mysql", "host", 3306, "shop")),
        ("sqlserver://host/shop", Database("mssql", "host", 1433, "shop")),
        ("sqlite:///data/shop.db", Database("sqlite", name="data/shop.db")),
        ("sqlite:////data/a@b?.db", Database("sqlite", name="/data/a@b?.db")),
    ],
)
def test_parse(url: str, expected: Database) -> None:
    parsed = parse(url)
    assert parsed == Database(**{**expected.__dict__, "options": parsed.options})


@pytest.mark.parametrize(
    "url", ["", "shop.db", "oracle://host/shop", "postgresql:shop", "postgresql://u:p/w@host/shop", "sqlite:///"]
)
def test_what_is_no_url_of_a_database_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="expected postgresql://host:5432/database.*received something else"):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@host/shop",
        "postgresql://u:@host/shop",
        "postgresql://u:sec/ret@host/shop",
        "postgresql://host/shop?user=u&password=secret",
        "mssql://host:x/shop?Pwd=secret",
    ],
)
def test_a_url_with_a_password_is_known(url: str) -> None:
    assert has_password(url)


@pytest.mark.parametrize("url", ["postgresql://u@host/shop", "$SHOP", "sqlite:///a@b", "postgresql://host/passengers"])
def test_a_url_without_a_password_is_known(url: str) -> None:
    assert not has_password(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://host/shop?sslmode=require", "postgresql://me:p%40s%3As%2F%C3%A9@host:5432/shop?sslmode=require"),
        ("mysql://host/shop", "mysql://me:p%40s%3As%2F%C3%A9@host:3306/shop"),
        ("mariadb://other@host:3307/shop", "mysql://other:p%40s%3As%2F%C3%A9@host:3307/shop"),
        ("sqlserver://host/shop?encrypt=true", "mssql://me:p%40s%3As%2F%C3%A9@host:1433/shop?encrypt=true"),
    ],
)
def test_the_drivers_url_has_the_login_percent_encoded(
    url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SQL_USER", "me")
    monkeypatch.setenv("PENSTOCK_SQL_PASSWORD", "p@s:s/é")
    assert log_in(url).url == expected


def test_the_url_in_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "postgresql://me:p%40ss@host/shop")
    monkeypatch.setenv("PENSTOCK_SQL_USER", "other")
    monkeypatch.setenv("PENSTOCK_SQL_PASSWORD", "other")
    database = log_in("$SHOP")
    assert (database.user, database.password) == ("me", "p@ss")


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(InputError, match=r"source.url: expected a database's URL in .* \$SHOP, received none"):
        log_in("$SHOP")


def test_a_variable_that_holds_no_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "postgresql://me:sec/ret@host/shop")
    with pytest.raises(InputError, match=r"\$SHOP: expected .* percent-encoded; received something else") as caught:
        log_in("$SHOP")
    assert "sec" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_relative_sqlite_file_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "sqlite:///shop.db")
    with pytest.raises(InputError, match="expected an absolute path, received shop.db"):
        log_in("$SHOP")


@pytest.mark.parametrize(
    ("line", "url", "expected"),
    [
        ("host:5432:shop:me:secret", "postgresql://host/shop", ("me", "secret")),
        ("*:*:*:me:secret", "mysql://host/shop", ("me", "secret")),
        ("localhost:5432:shop:me:secret", "postgresql:///shop", ("me", "secret")),
        (r"host:*:*:m\:e:a\:b\\c:d@é ", "postgresql://host/shop", ("m:e", r"a:b\c:d@é ")),
        ("host:*:*:*:secret", "postgresql://me@host/shop", ("me", "secret")),
        ("host:*:*:*:secret", "postgresql://host/shop", (None, "secret")),
        ("#host:*:*:me:secret\nhost:*:*:you:other", "postgresql://host/shop", ("you", "other")),
        ("host:*:*:me:secret\nhost:*:*:you:other", "postgresql://you@host/shop", ("you", "other")),
        ("host:5433:*:me:secret\nother:*:*:me:secret\nnonsense", "postgresql://host/shop", (None, None)),
    ],
)
def test_the_first_line_of_the_password_file_that_fits(
    line: str, url: str, expected: tuple[str | None, str | None], tmp_path: Path
) -> None:
    write_passfile(tmp_path / ".pgpass", line)
    database = log_in(url)
    assert (database.user, database.password) == expected


@pytest.mark.parametrize("name", ["PENSTOCK_PASSFILE", "PGPASSFILE"])
def test_the_password_file_may_be_elsewhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_passfile(tmp_path / "logins", "*:*:*:me:secret")
    monkeypatch.setenv(name, str(tmp_path / "logins"))
    assert log_in("mysql://host/shop").password == "secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_password_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    write_passfile(tmp_path / ".pgpass", "*:*:*:me:secret", mode)
    with pytest.raises(InputError, match=rf"\.pgpass: expected .* only you may read \(0600\), received {mode:04o}"):
        log_in("postgresql://host/shop")


def test_a_password_file_that_was_asked_for_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PASSFILE", "/no/such/file")
    with pytest.raises(InputError, match="/no/such/file: no such file"):
        log_in("postgresql://host/shop")


def test_no_text_of_a_database_holds_the_password() -> None:
    database = Database("postgresql", "host", 5432, "shop", "me", "p@ss", "sslpassword=hush&a=b")
    assert "p@ss" not in f"{database} {database!r}"
    assert "hush" not in f"{database} {database!r}"
    assert str(database) == "postgresql://host:5432/shop"
    assert (
        database.scrub(f"no: {database.url}, p@ss, hush")
        == "no: postgresql://me:***@host:5432/shop?sslpassword=***&a=b, ***, ***"
    )
