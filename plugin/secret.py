"""Secrets print as ***, and rest encrypted."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken

from plugin.errors import Invalid, Permanent


class Secret:
    """A text that no log, traceback or page shows by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: only where it leaves for its destination."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"


class NoKeyFits(Permanent):
    """What rests was encrypted with a key that is not there: a shop's token is as good as gone."""


class Vault:
    """Encrypts with the newest key and reads with any of them (Fernet: AES-128-CBC and HMAC-SHA256).

    `source` says in words where the keys stand. `read_again` returns them as they are now, newest first: they may
    change while we run, so it is asked before anything is encrypted, and before anything is given up. `way_back` is
    what to do when none fits.
    """

    def __init__(
        self,
        keys: Sequence[Secret],
        *,
        source: str = "HERKEND_KEYS",
        read_again: Callable[[], Sequence[Secret]] | None = None,
    ) -> None:
        self._keys = tuple(keys)
        self.way_back = (
            f"None of the keys in {source} opens this shop's token. Put the old key back, "
            "or install the app again in the shop: its settings and history are found as they were."
        )
        self._read_again = read_again

    def keys(self) -> tuple[Secret, ...]:
        """Return the keys as they are now, newest first; raise Invalid when they cannot be read."""
        if self._read_again is not None:
            self._keys = tuple(self._read_again())
        return self._keys

    def lock(self, secret: Secret) -> bytes:
        """Return what may rest in the database; raise Invalid when the keys cannot be read."""
        return _fernet(self.keys()[0]).encrypt(secret.reveal().encode())

    def unlock(self, locked: bytes) -> Secret:
        """Return the secret; raise NoKeyFits when none of the keys does."""
        return Secret(_fernet(self.key_of(locked)).decrypt(locked).decode())

    def key_of(self, locked: bytes) -> Secret:
        """Return the key under which this rests; raise NoKeyFits when it is not there."""
        found = _fitting(self._keys, locked)
        if found is None:
            with suppress(Invalid):
                found = _fitting(self.keys(), locked)
        if found is None:
            raise NoKeyFits(self.way_back)
        return found


def _fitting(keys: Iterable[Secret], locked: bytes) -> Secret | None:
    for key in keys:
        with suppress(InvalidToken):
            _fernet(key).decrypt(locked)
            return key
    return None


def _fernet(key: Secret) -> Fernet:
    return Fernet(key.reveal())


def new_key() -> Secret:
    """Make a fresh key for the vault."""
    return Secret(Fernet.generate_key().decode())
