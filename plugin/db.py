"""The database: one engine, short transactions, and no transaction open while we wait for the network."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine, MetaData, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from plugin.errors import Transient
from plugin.secret import Secret

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# What PostgreSQL says, by the code of the error (https://www.postgresql.org/docs/current/errcodes-appendix.html) or,
# where it comes without one, by a part of its text: and what that means to whoever runs Herkend.
AWAY = "The database (DATABASE_URL, else the embedded one) cannot be reached."
REASONS = (
    (("53100",), ("No space left on device",), "The disk of the database is full: make room there."),
    (
        (),
        ("Read-only file system",),
        "The disk of the database is read-only: see why, and make it writable again.",
    ),
    (
        ("25006",),
        (),
        "The database takes no writes: it is a replica, or was set to read only (DATABASE_URL).",
    ),
    (
        ("53300",),
        ("too many clients", "too many connections", "connection slots are reserved"),
        "The database has no connection left: let it have more (max_connections), or run fewer processes.",
    ),
    (("57P01",), ("is shutting down",), "The database is being stopped."),
    (("57P02",), (), "The database stopped in the middle, and recovers: its log says why."),
    (
        ("57P03",),
        ("is starting up", "recovery", "not yet accepting"),
        "The database is starting or recovers.",
    ),
    (("40001", "40P01", "55P03"), (), "The database put this off, for something else in its way."),
    (("57014", "25P03"), (), "The database is too busy: it did not get this done in time."),
    (
        ("53000", "53200"),
        (),
        "The machine of the database has too little memory, or lets it open too few files.",
    ),
    (("58030",), ("Input/output error",), "The disk of the database fails: look at the log of its machine."),
    (
        ("28000", "28P01", "3D000"),
        ("authentication failed", "no password supplied", "no pg_hba.conf entry", '" does not exist'),
        "The database lets nobody in by this name or password, or is not there: look at DATABASE_URL.",
    ),
    ((), ("failed to resolve host",), f"{AWAY} Its host's name is not known here: look at DATABASE_URL."),
    (
        (),
        ("Connection refused", "No such file or directory"),
        f"{AWAY} Nobody listens there: see whether PostgreSQL runs, and look at host and port in DATABASE_URL.",
    ),
    (
        (),
        ("timeout expired", "timed out", "No route to host", "unreachable"),
        f"{AWAY} Nothing answers: look at the network, and at host and port in DATABASE_URL.",
    ),
    (
        (),
        ("SSL", "certificate"),
        f"{AWAY} No encrypted connection came about: look at sslmode and sslrootcert in DATABASE_URL.",
    ),
)
NOT_PERMITTED = "42501"  # of the database's files too, on a disk that is read-only
CONNECTIONS = 10  # of a process, at most: transactions are short, and threads wait for each other
# A line that fell silent is given up: what is sent and not even acknowledged within ten seconds, and while we wait for
# an answer, when the other machine says nothing to three questions. On a Unix socket none of it means anything.
LINE = {
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
LOST = "The connection to the database was lost."
IN_USE = "All connections of this process to the database are in use."


class DatabaseAway(Transient):
    """It is our own database that did not answer, whatever else was being done; the text says which of it."""


class Database:
    """PostgreSQL behind a pool that notices dead connections.

    `url` is a libpq address (postgresql://...). Whoever finds all connections in use waits a while for one. Raises
    DatabaseAway, a Transient, where the server cannot be reached.
    """

    def __init__(self, url: Secret, *, pool_size: int = CONNECTIONS) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            hide_parameters=True,  # they hold bodies and tokens, and errors are logged
            connect_args={"connect_timeout": 3, "options": "-c timezone=UTC", **LINE},
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction; it commits when the block ends and rolls back when the block raises."""
        with _in_words(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Hold a connection without a transaction, for what may last while we wait for the network."""
        with _in_words(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseAway(IN_USE) from error
    except DBAPIError as error:
        if reason := why_away(error):
            raise DatabaseAway(reason) from error
        raise


def why_away(error: DBAPIError) -> str | None:
    """Say in words why the database did not do what it was asked; None where the asking itself was wrong."""
    if reason := _reason(error.orig):
        return reason
    if error.connection_invalidated:
        return LOST
    return AWAY if isinstance(error, OperationalError) else None


def why_not_connected(error: psycopg.OperationalError) -> str:
    """Say in words why there is no connection: none of what the driver says, which may hold anything."""
    return _reason(error) or AWAY


def _reason(error: BaseException | None) -> str | None:
    code, said = getattr(error, "sqlstate", None), str(error)
    uncoded = code is None or code == NOT_PERMITTED  # the text of another may hold anything
    for codes, texts, words in REASONS:
        if code in codes or (uncoded and any(text in said for text in texts)):
            return words
    return None


def sqlalchemy_url(url: Secret) -> str:
    """Name the driver in a libpq address."""
    return "postgresql+psycopg://" + url.reveal().split("://", 1)[1]
