"""Secrets print as ***, and rest encrypted."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from plugin.errors import Permanent


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


class Vault:
    """Encrypts with the newest key and reads with any of them (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])

    def lock(self, secret: Secret) -> bytes:
        """Return what may rest in the database."""
        return self._fernet.encrypt(secret.reveal().encode())

    def unlock(self, locked: bytes) -> Secret:
        """Return the secret; raise Permanent when none of the keys fits."""
        try:
            return Secret(self._fernet.decrypt(locked).decode())
        except InvalidToken as error:
            raise Permanent(
                "None of the keys in HERKEND_KEYS opens this shop's token. "
                "Put the old key back, or install the app again in the shop."
            ) from error


def new_key() -> Secret:
    """Make a fresh key for the vault."""
    return Secret(Fernet.generate_key().decode())
