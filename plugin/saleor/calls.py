"""All that we ever say to Saleor: who are we, which shop is this, this person's orders, this is how they stand."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marshmallow import fields

from plugin.errors import Refused, Transient
from plugin.outbound import Outbound
from plugin.saleor.answers import Shape, read
from plugin.saleor.client import Saleor, operation
from plugin.saleor.history import HistoryPage, person_history
from plugin.saleor.own_app import LONGEST_VERSION
from plugin.saleor.shapes import Exact
from plugin.saleor.standings import Outcome, Write, write_standings

__all__ = [
    "AppIdentity",
    "HistoryPage",
    "Outcome",
    "ShopFacts",
    "Write",
    "app_identity",
    "jwks",
    "person_history",
    "shop_facts",
    "write_standings",
]

FIRST_CHANNEL = "default-channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppIdentity:
    """Our app as this shop knows it: its id there, and the identifier of our manifest."""

    id: str
    identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """What a shop says of itself.

    `main_currency` is our guess, for the merchant to correct: that of most of its open channels; of equals that of
    the channel Saleor began with, else the first by alphabet. None without channels.
    """

    name: str
    version: str
    main_currency: str | None


def app_identity(saleor: Saleor) -> AppIdentity:
    """Return whom the token stands for; raise Refused when for nobody."""
    data = saleor.execute(operation("app_identity"), {}, name="AppIdentity")
    if data.get("app") is None:
        raise Refused("AppIdentity: Saleor knows no app by this token.")
    loaded = read(_AppAnswer(), data, name="AppIdentity")
    return AppIdentity(id=loaded["app"]["id"], identifier=loaded["app"]["identifier"] or "")


def shop_facts(saleor: Saleor) -> ShopFacts:
    """Return name, version and main currency; no permission is needed."""
    data = saleor.execute(operation("shop_facts"), {}, name="ShopFacts")
    loaded = read(_ShopAnswer(), data, name="ShopFacts")
    return ShopFacts(
        name=loaded["shop"]["name"],
        version=loaded["shop"]["version"],
        main_currency=_main_currency(loaded["channels"] or []),
    )


def jwks(outbound: Outbound, api_url: str) -> dict[str, Any]:
    """Fetch the public keys by which the Saleor of this API address signs; raise as `Outbound.get_json` does."""
    parts = urlsplit(api_url)
    answer = outbound.get_json(f"{parts.scheme}://{parts.netloc}/.well-known/jwks.json")
    if not isinstance(answer, Mapping) or not isinstance(answer.get("keys"), list):
        raise Transient(f"{parts.hostname} answered with something that is no key set.")
    return dict(answer)


def _main_currency(channels: list[dict[str, Any]]) -> str | None:
    rated = [channel for channel in channels if channel["open"]] or channels
    counted = Counter(channel["currency"] for channel in rated)
    first = {channel["currency"] for channel in rated if channel["slug"] == FIRST_CHANNEL}
    return min(counted, key=lambda each: (-counted[each], each not in first, each), default=None)


class _App(Shape):
    id = fields.String(required=True)
    identifier = fields.String(load_default="", allow_none=True)


class _AppAnswer(Shape):
    app = fields.Nested(_App, required=True)


class _Shop(Shape):
    name = fields.String(required=True)
    version = Exact(least=0, most=LONGEST_VERSION)


class _Channel(Shape):
    slug = fields.String(required=True)
    currency = fields.String(required=True, data_key="currencyCode")
    open = fields.Boolean(required=True, data_key="isActive")


class _ShopAnswer(Shape):
    shop = fields.Nested(_Shop, required=True)
    channels = fields.List(fields.Nested(_Channel), load_default=list, allow_none=True)
