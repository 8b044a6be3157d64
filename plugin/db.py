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


class DatabaseAway(Transient):
    """It is our own database that did not answer, whatever else was being done."""


class Database:
    """PostgreSQL behind a pool that notices dead connections.

    `url` is a libpq address (postgresql://...). Raises DatabaseAway, a Transient, where the server cannot be reached.
    """

    def __init__(self, url: Secret, *, pool_size: int = 8) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
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
        except (OperationalError, PoolTimeoutError) as error:
            raise DatabaseAway(
                "The database (DATABASE_URL, else the embedded one) cannot be reached or is too busy."
            ) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseAway("The connection to the database was lost.") from error
            raise

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def sqlalchemy_url(url: Secret) -> str:
    """Name the driver in a libpq address."""
    return "postgresql+psycopg://" + url.reveal().split("://", 1)[1]
