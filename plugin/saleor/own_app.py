"""Our app as a shop knows it: what it may do, and the webhooks it has there."""

from dataclasses import dataclass

# The first Saleor whose webhooks have identifiers of the app's own.
IDENTIFIERS_SINCE = (3, 23, 23)
LONGEST_VERSION = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a webhook says; `identifier` is None where it has none, or the shop knows none. Events in capitals."""

    name: str
    identifier: str | None
    target_url: str
    query: str
    events: tuple[str, ...]
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook that stands in a shop, by its id there."""

    id: str
    says: Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnApp:
    """Our app as the shop knows it; permissions by Saleor's codes."""

    id: str
    active: bool
    permissions: frozenset[str]
    webhooks: tuple[Webhook, ...]


def knows_identifiers(version: str) -> bool:
    """Tell whether webhooks have identifiers in a Saleor of that version ("3.23.28"); what is unreadable has none."""
    numbers = version.split("-", maxsplit=1)[0].split(".")[:3]
    if len(version) > LONGEST_VERSION or not all(part.isascii() and part.isdecimal() for part in numbers):
        return False
    return tuple(int(part) for part in numbers) >= IDENTIFIERS_SINCE
