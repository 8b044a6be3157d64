"""Fetches a shop's public keys from its own address, and not as often as a stranger may like."""

from typing import Any

from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from marshmallow import EXCLUDE, Schema, fields
from marshmallow.validate import Equal, Length

from plugin.errors import HerkendError, Transient
from plugin.guard import Backwards, Few
from plugin.outbound import Outbound
from plugin.saleor.calls import jwks as ask
from plugin.saleor.shapes import Each, Exact

MOST_KEYS = 20
LONGEST_NUMBER = 2048
# Bursts of 5, 10 a minute: a shop changes its key once a year, and anybody can name a key that is not there.
LIMITS = "5 per 10 second; 10 per minute"
SPARING = "1 per minute"


class KeySource:
    """Asks shops for their keys, which a stranger can make us do: so often for each, and so many at once."""

    def __init__(self, outbound: Outbound, *, at_once: int = 8) -> None:
        self._outbound = outbound
        self._few = Few(at_once)
        self._limits = {False: parse_many(LIMITS), True: parse_many(SPARING)}
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._backwards = Backwards()

    def fetch(self, api_url: str, *, sparing: bool = False) -> dict[str, Any]:
        """Return the shop's JWKS; raise Transient when it cannot be had now, the limits among the reasons.

        `sparing` is for callers who failed too often: they too bring us a shop's new key, within a minute.
        """
        if self._backwards():
            self._limiter.storage.reset()
        for limit in self._limits[sparing]:
            if not self._limiter.hit(limit, api_url, str(sparing)):
                raise Transient("The shop's keys were asked for too often within a minute.")
        with self._few.one() as there_is_room:
            if not there_is_room:
                raise Transient("Too many shops are asked for their keys just now.")
            return fetch(self._outbound, api_url=api_url)


def fetch(outbound: Outbound, *, api_url: str) -> dict[str, Any]:
    """Return the RSA keys of the shop's JWKS; raise Transient when it cannot be had or holds none."""
    try:
        answer = ask(outbound, api_url)
    except HerkendError as error:
        raise Transient("The shop's keys cannot be reached.") from error
    keys = list(_JWKS.load(answer)["keys"])
    if not keys:
        raise Transient("The shop answered without a key for signatures.")
    return {"keys": keys[:MOST_KEYS]}


class _Key(Schema):
    """A public RSA key; an optional member that is absent stays absent."""

    class Meta:
        unknown = EXCLUDE

    kid = Exact()
    kty = fields.String(required=True, validate=Equal("RSA"))
    n = Exact(most=LONGEST_NUMBER)
    e = Exact(most=LONGEST_NUMBER)
    use = fields.String(validate=Equal("sig"))
    alg = fields.String(validate=Equal("RS256"))
    key_ops = fields.List(fields.String(validate=Length(max=20)), validate=Length(max=10))


class _Jwks(Schema):
    class Meta:
        unknown = EXCLUDE

    keys = Each(_Key)


_JWKS = _Jwks()
