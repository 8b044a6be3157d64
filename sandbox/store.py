"""The shop's memory: everything in dictionaries, and every change written through to SQLite before it counts."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import codec
from sandbox.model import Account, App, Delivery, Order

Thing = Account | Order | App | Delivery
SCHEMA = """
CREATE TABLE IF NOT EXISTS things (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
KEPT_DELIVERIES = 2000


class Store:
    """People, orders, apps and deliveries of one shop; without a folder they live as long as the process.

    Hold `lock` while reading what belongs together; changes go through `writing`, all of them or none; `committed`
    hears what was put, once it stands.
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[int, Account] = {}
        self.orders: dict[str, Order] = {}
        self.apps: dict[int, App] = {}
        self.deliveries: dict[int, Delivery] = {}
        self.by_user: dict[int, set[str]] = defaultdict(set)
        self.by_email: dict[str, set[str]] = defaultdict(set)
        self.by_address: dict[str, int] = {}
        self.committed: Callable[[list[Thing]], None] = lambda _things: None
        self._settings: dict[str, str] = {}
        self._undo: list[tuple[Thing | None, Thing | None]] = []
        self._before: dict[str, str | None] = {}
        self._changed: dict[tuple[str, str], Thing | None] = {}
        self._depth = 0
        self._database = None if folder is None else self._open(folder)

    def _open(self, folder: Path) -> sqlite3.Connection:
        folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(folder / "shop.sqlite3", isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
        self._settings = dict(database.execute("SELECT name, value FROM settings"))
        for (body,) in database.execute("SELECT body FROM things"):
            self._place(None, codec.loads(body))
        old = sorted(self.deliveries)[:-KEPT_DELIVERIES]
        for number in old:
            del self.deliveries[number]
        database.executemany(
            "DELETE FROM things WHERE kind = 'Delivery' AND id = ?", [(str(n),) for n in old]
        )
        return database

    def close(self) -> None:
        """Close the file; what was written stays."""
        with self.lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make all changes inside one: an exception takes all of them back, in memory and in the file."""
        with self.lock:
            if self._depth == 0:
                self._undo, self._before, self._changed = [], {}, {}
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._take_back()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._write()
                self.committed([one for one in self._changed.values() if one is not None])

    def put(self, *things: Thing) -> None:
        """Add things, or replace those with the same id."""
        with self.writing():
            for thing in things:
                old = self._table(thing).get(thing.id)
                self._undo.append((old, thing))
                self._place(old, thing)
                self._changed[type(thing).__name__, str(thing.id)] = thing

    def remove(self, thing: Thing) -> None:
        """Take something away for good."""
        with self.writing():
            self._undo.append((thing, None))
            self._place(thing, None)
            self._changed[type(thing).__name__, str(thing.id)] = None

    def setting(self, name: str) -> str | None:
        """Return a word that was remembered."""
        return self._settings.get(name)

    def remember(self, name: str, value: str) -> None:
        """Keep a word."""
        with self.writing():
            self._before.setdefault(name, self._settings.get(name))
            self._settings[name] = value

    def next(self, name: str) -> int:
        """Count on: 1, 2, 3, never the same again."""
        with self.writing():
            number = int(self._settings.get(f"next {name}", "0")) + 1
            self.remember(f"next {name}", str(number))
            return number

    def orders_of(self, account: Account) -> list[Order]:
        """Return the orders that belong to this account, the newest first."""
        found = [self.orders[key] for key in self.by_user.get(account.id, ())]
        return sorted(found, key=lambda order: order.number, reverse=True)

    def account_at(self, address: str) -> Account | None:
        """Return the account with this e-mail, whatever its letter case."""
        number = self.by_address.get(address.lower())
        return None if number is None else self.accounts[number]

    def _write(self) -> None:
        """Put all changes into the file, in one transaction."""
        if self._database is None or not (self._changed or self._before):
            return
        kept = [(*key, codec.dumps(one)) for key, one in self._changed.items() if one is not None]
        gone = [key for key, one in self._changed.items() if one is None]
        named = [(name, self._settings[name]) for name in self._before]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT OR REPLACE INTO things VALUES (?, ?, ?)", kept)
        self._database.executemany("DELETE FROM things WHERE kind = ? AND id = ?", gone)
        self._database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", named)
        self._database.execute("COMMIT")

    def _take_back(self) -> None:
        for old, new in reversed(self._undo):
            self._place(new, old)
        for name, value in self._before.items():
            if value is None:
                self._settings.pop(name, None)
            else:
                self._settings[name] = value

    def _table(self, thing: Thing) -> dict[Any, Any]:
        if isinstance(thing, Account):
            return self.accounts
        if isinstance(thing, Order):
            return self.orders
        return self.apps if isinstance(thing, App) else self.deliveries

    def _place(self, old: Thing | None, new: Thing | None) -> None:
        if isinstance(old, Order):
            self.by_email[old.user_email].discard(old.id)
            if old.user_id is not None:
                self.by_user[old.user_id].discard(old.id)
        if isinstance(old, Account):
            self.by_address.pop(old.email, None)
        if isinstance(new, Order):
            self.by_email[new.user_email].add(new.id)
            if new.user_id is not None:
                self.by_user[new.user_id].add(new.id)
        if isinstance(new, Account):
            self.by_address[new.email] = new.id
        if new is not None:
            self._table(new)[new.id] = new
        elif old is not None:
            self._table(old).pop(old.id, None)
