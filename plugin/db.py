"""The database: one engine, short transactions, and no transaction open while we wait for the network."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    (("40001", "40P01", "55P03", "57014"), (), "The database put this off, for something else in its way."),
    (
        ("53000", "53200"),
        (),
        "The machine of the database has too little memory, or lets it open too few files.",
    ),
    (("58030",), ("Input/output error",), "The disk of the database fails: look at the log of its machine."),
    (
        ("28000", "28P01", "3D000"),
        ("authentication failed", "no pg_hba.conf entry", '" does not exist'),
        "The database lets nobody in by this name or password, or is not there: look at DATABASE_URL.",
    ),
)
NOT_PERMITTED = "42501"  # of the database's files too, on a disk that is read-only
CONNECTIONS = 10  # of a process, at most: transactions are short, and threads wait for each other
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
            connect_args={"connect_timeout": 3, "options": "-c timezone=UTC"},
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction; it commits when the block ends and rolls back when the block raises."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except PoolTimeoutError as error:
            raise DatabaseAway(IN_USE) from error
        except DBAPIError as error:
            if reason := why_away(error):
                raise DatabaseAway(reason) from error
            raise

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def why_away(error: DBAPIError) -> str | None:
    """Say in words why the database did not do what it was asked; None where the asking itself was wrong."""
    code, said = getattr(error.orig, "sqlstate", None), str(error.orig)
    uncoded = code is None or code == NOT_PERMITTED  # the text of another may hold anything
    for codes, texts, words in REASONS:
        if code in codes or (uncoded and any(text in said for text in texts)):
            return words
    if error.connection_invalidated:
        return LOST
    return AWAY if isinstance(error, OperationalError) else None


def sqlalchemy_url(url: Secret) -> str:
    """Name the driver in a libpq address."""
    return "postgresql+psycopg://" + url.reveal().split("://", 1)[1]
