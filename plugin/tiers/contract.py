"""What the shop is told of a standing: the metadata contract of docs/storefront.md."""

import json
from dataclasses import dataclass

from plugin.shops.policy import PROSPECT, Policy
from plugin.tiers.rules import Standing
from plugin.tiers.words import LANGUAGES, explain

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The values of the two keys; None: the key is not to be there."""

    public: str | None
    private: str | None


def contract(standing: Standing, *, policy: Policy, confirmed: bool, is_guest: bool) -> Published:
    """Say what the shop is to hold about a person; the same standing gives the same bytes.

    Nothing for a prospect. Public only on an account whose address is known to be its owner's: whoever
    registered somebody else's address must not read that person's tier, and the public metadata of a guest's
    order is open to anybody who has its id.
    """
    if standing.tier == PROSPECT:
        return Published(public=None, private=None)
    public = standing.tier if confirmed and not is_guest else None
    return Published(public=public, private=_private(standing, policy=policy))


def _private(standing: Standing, *, policy: Policy) -> str:
    told = {
        "v": VERSION,
        "tier": standing.tier,
        "since": standing.since.isoformat() if standing.since else None,
        "until": standing.until.isoformat() if standing.until else None,
        "reasons": {language: explain(standing, language=language) for language in LANGUAGES},
        "policy": policy.rules_version,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
