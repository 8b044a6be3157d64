"""The database: what it says when it does not do what it was asked."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from plugin.db import Database, DatabaseAway
from plugin.secret import Secret

LIMITED = "CREATE ROLE limited LOGIN CONNECTION LIMIT 1"


@pytest.fixture
def admin(database_url: Secret) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(database_url.reveal(), autocommit=True)) as connection:
        yield connection


@pytest.fixture
def db(database_url: Secret) -> Iterator[Database]:
    db = Database(database_url, pool_size=1)
    yield db
    db.close()


def words(db: Database, query: str = "SELECT 1") -> str:
    with pytest.raises(DatabaseAway) as caught, db.begin() as connection:
        connection.execute(text(query))
    db.close()
    return str(caught.value)


def other(url: Secret, **parts: str) -> Database:
    return Database(Secret(urlsplit(url.reveal())._replace(**parts).geturl()), pool_size=1)


def test_one_that_is_not_there_cannot_be_reached(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        nobody = Secret(f"postgresql://127.0.0.1:{door.getsockname()[1]}/herkend")
        said = (
            "The database (DATABASE_URL, else the embedded one) cannot be reached. Nobody listens there: see whether "
            "PostgreSQL runs, and look at host and port in DATABASE_URL."
        )
        assert words(Database(nobody)) == said
    assert words(Database(Secret(f"postgresql://herkend@/herkend?host={tmp_path}"))) == said


def test_a_host_that_nobody_knows_is_said_and_no_password_shown() -> None:
    said = words(Database(Secret("postgresql://herkend:geheim@no-such.invalid/herkend")))
    assert ("name is not known" in said, "geheim" in said) == (True, False)


def test_a_wrong_name_is_a_matter_of_database_url(database_url: Secret) -> None:
    assert "look at DATABASE_URL" in words(other(database_url, path="/nowhere"))


def test_one_without_a_free_connection_wants_more_or_fewer_processes(
    database_url: Secret, admin: psycopg.Connection
) -> None:
    admin.execute(LIMITED)
    limited = urlsplit(database_url.reveal())._replace(netloc="limited@").geturl()
    with closing(psycopg.connect(limited)):
        assert "no connection left" in words(Database(Secret(limited)))
    admin.execute("DROP ROLE limited")


def test_a_replica_takes_no_writes(db: Database) -> None:
    assert "takes no writes" in words(
        db, "SET LOCAL transaction_read_only = on; INSERT INTO fit_versions VALUES ('x')"
    )


def test_one_that_is_being_stopped_says_so(db: Database, admin: psycopg.Connection) -> None:
    def asked_when_it_stops() -> None:
        with db.begin() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseAway, match="is being stopped"):
        asked_when_it_stops()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "disk of the database is full"),
        ("57P03", "starting or recovers"),
        ("40P01", "put this off"),
        ("57014", "too busy"),
        ("58030", "disk of the database fails"),
        ("53200", "too little memory"),
    ],
)
def test_what_the_server_says_by_its_code_is_told_in_words(db: Database, code: str, said: str) -> None:
    assert said in words(db, f"DO $$ BEGIN RAISE EXCEPTION 'no matter' USING ERRCODE = '{code}'; END $$")


def test_files_that_cannot_be_opened_on_a_read_only_disk_are_the_disks_fault(db: Database) -> None:
    # PostgreSQL gives that the code of a lacking permission.
    raised = "DO $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'could not open: Read-only file system'; END $$"
    assert "disk of the database is read-only" in words(db, raised)


@pytest.mark.parametrize("value", ["No space left on device", "the database system is in recovery mode"])
def test_a_value_that_reads_like_trouble_is_none(db: Database, value: str) -> None:
    twice = text("INSERT INTO fit_versions VALUES (:value), (:value)")
    with pytest.raises(IntegrityError), db.begin() as connection:
        connection.execute(twice, {"value": value})


def test_a_wrong_question_is_not_the_databases_fault(db: Database) -> None:
    for query in ("SELECT 1 FROM nowhere", "SELECT 1/0"):
        with pytest.raises(DBAPIError), db.begin() as connection:
            connection.execute(text(query))


@pytest.fixture
def by_tcp(database_url: Secret) -> Iterator[Database]:
    """The same database through a relay: the embedded one listens on no port."""
    folder = parse_qs(urlsplit(database_url.reveal()).query)["host"][0]
    with socket.create_server(("127.0.0.1", 0)) as door, socket.socket(socket.AF_UNIX) as beyond:

        def relay() -> None:
            near, _ = door.accept()
            with near:
                beyond.connect(f"{folder}/.s.PGSQL.5432")
                other_way = threading.Thread(target=pump, args=(beyond, near))
                other_way.start()
                pump(near, beyond)
                other_way.join()

        thread = threading.Thread(target=relay)
        thread.start()
        db = Database(
            Secret(f"postgresql://herkend@127.0.0.1:{door.getsockname()[1]}/herkend?sslmode=disable")
        )
        yield db
        db.close()
        thread.join(10)


def pump(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65536):
        target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_line_that_falls_silent_is_given_up_within_half_a_minute(by_tcp: Database) -> None:
    with by_tcp.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as line:
            options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            unheard, *asking = (line.getsockopt(socket.IPPROTO_TCP, option) for option in options)
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert (unheard, asking[0] + asking[1] * asking[2]) == (10_000, 19)


def test_whoever_finds_all_connections_in_use_waits_for_one(db: Database) -> None:
    there, done = threading.Event(), []

    def second() -> None:
        there.set()
        with db.begin() as connection:
            done.append(connection.execute(text("SELECT 'second'")).scalar_one())

    waiting = threading.Thread(target=second)
    with db.begin():
        waiting.start()
        there.wait(10)
        done.append("first")
    waiting.join(10)
    assert done == ["first", "second"]
