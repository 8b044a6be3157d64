"""Changes the keys that the shops' tokens are encrypted with, and names the shops whose key is lost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from plugin import keyfile
from plugin.installation import Installation
from plugin.secret import NoKeyFits, Secret, Vault, new_key
from plugin.shops import store
from plugin.shops.store import Shop

# The newest, and the one before it: a backup of the database from before the change needs that one.
KEPT = 2

State = Literal["renewed", "already", "lost", "none"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How many tokens were encrypted anew, how many needed no more, and the shops whose token no key opens."""

    renewed: int
    already: int
    lost: tuple[Shop, ...]


def rotate(installation: Installation) -> Rotation:
    """Encrypt every token with the newest key; what runs goes on meanwhile. May be interrupted and run again.

    1. where the keys are our own file, put a new one in front while nobody is encrypting: whoever encrypts later
       reads the file first, and whoever meets the new key reads it then
    2. go from shop to shop; one that registers meanwhile has used the newest key already
    3. let go of the keys in the file that nothing rests under, but for the one before the newest
    """
    path = installation.settings.key_file
    if path is not None:
        _add_key(installation, path)
    with installation.db.begin() as connection:
        known = store.all_shops(connection)
    states = [_renew(installation, shop) for shop in known]
    if path is not None:
        _drop_keys(installation, path)
    lost = tuple(shop for shop, state in zip(known, states, strict=True) if state == "lost")
    return Rotation(renewed=states.count("renewed"), already=states.count("already"), lost=lost)


def unopened(installation: Installation) -> list[Shop]:
    """List the shops whose token no key opens: their work waits until the key is back or they install us again."""
    with installation.db.begin() as connection:
        store.encrypting(connection)
        known = store.all_shops(connection)
        return [shop for shop in known if shop.token and _key_of(installation.vault, shop.token) is None]


def say_unopened(installation: Installation) -> None:
    """Say in the log, once for each, that nothing can be done for these shops, and what would help."""
    for shop in unopened(installation):
        log.error(
            "the key of a shop is lost",
            shop=shop.id,
            address=shop.api_url,
            problem=installation.vault.way_back,
        )


def _key_of(vault: Vault, token: bytes) -> Secret | None:
    try:
        return vault.key_of(token)
    except NoKeyFits:
        return None


def _renew(installation: Installation, shop: Shop) -> State:
    """Encrypt one shop's token anew where it is not under the newest key; the keys stay what they are meanwhile."""
    vault = installation.vault
    with installation.db.begin() as connection:
        store.encrypting(connection)
        token = store.by_id(connection, shop.id).token
        if token is None:
            return "none"
        newest, key = vault.keys()[0], _key_of(vault, token)
        if key in {newest, None}:
            return "lost" if key is None else "already"
        new = vault.lock(vault.unlock(token))
        return "renewed" if store.replace_token(connection, shop.id, old=token, new=new) else "already"


def _add_key(installation: Installation, path: Path) -> None:
    with installation.db.begin() as connection:
        store.changing_keys(connection)
        keyfile.write(path, [new_key(), *keyfile.read(path)])


def _drop_keys(installation: Installation, path: Path) -> None:
    with installation.db.begin() as connection:
        store.changing_keys(connection)
        keys = keyfile.read(path)
        tokens = [shop.token for shop in store.all_shops(connection) if shop.token is not None]
        used = {_key_of(installation.vault, token) for token in tokens}
        keyfile.write(path, [key for place, key in enumerate(keys) if place < KEPT or key in used])
