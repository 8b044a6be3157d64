"""What the shop is told, and who may read it."""

import json
from datetime import date
from pathlib import Path

import pytest

from plugin.customers.profile import Profile
from plugin.shops.policy import Policy
from plugin.tiers.contract import Published, contract
from plugin.tiers.rules import standing

POLICY = Policy(version=5, rules_version=3)
RETURNING = standing(
    Profile(purchase_days=(date(2024, 3, 1), date(2025, 5, 12)), not_counted={}),
    policy=POLICY,
    today=date(2025, 6, 1),
)
PROSPECT = standing(Profile(not_counted={}), policy=POLICY, today=date(2025, 6, 1))


def told(found=RETURNING, *, confirmed=True, is_guest=False):
    return contract(found, policy=POLICY, confirmed=confirmed, is_guest=is_guest)


def test_a_standing_is_told_with_its_reasons_in_both_languages():
    assert json.loads(told().private) == {
        "v": 1,
        "tier": "returning",
        "since": "2025-05-12",
        "until": "2027-03-01",
        "reasons": {
            "en": [
                "Bought on 2 different days in the 24 months up to 12 May 2025.",
                "Returning customer since 12 May 2025: that takes 2 purchase days within 24 months.",
                (
                    "Without new purchases this lasts until 1 March 2027 (with 12 months of grace); "
                    "then: one-time buyer."
                ),
            ],
            "nl": [
                "Op 2 verschillende dagen gekocht in de 24 maanden tot en met 12 mei 2025.",
                "Terugkerende klant sinds 12 mei 2025: daarvoor zijn 2 aankoopdagen binnen 24 maanden nodig.",
                (
                    "Zonder nieuwe aankopen blijft dat zo tot 1 maart 2027 (met 12 maanden respijt); "
                    "daarna: eenmalige koper."
                ),
            ],
        },
        "policy": 3,
    }


def test_the_example_in_the_docs_is_what_is_told():
    page = Path(__file__).parents[2] / "docs" / "storefront.md"
    example = page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]

    assert json.loads(example) == json.loads(told().private)


def test_the_private_value_is_compact_sorted_and_readable():
    once = standing(
        Profile(purchase_days=(date(2025, 5, 12),), not_counted={}), policy=POLICY, today=date(2025, 6, 1)
    )

    private = told(once).private

    assert private.startswith('{"policy":3,"reasons":{"en":["Bought once, on 12 May 2025."')
    assert private.endswith('"since":"2025-05-12","tier":"one-time","until":null,"v":1}')
    assert '"nl":["Eén keer gekocht, op 12 mei 2025."' in private


@pytest.mark.parametrize(
    ("confirmed", "is_guest", "public"),
    [(True, False, "returning"), (False, False, None), (True, True, None), (False, True, None)],
)
def test_only_a_confirmed_account_shows_its_tier_publicly(confirmed, is_guest, public):
    found = told(confirmed=confirmed, is_guest=is_guest)

    assert found == Published(public=public, private=told().private)


@pytest.mark.parametrize(("confirmed", "is_guest"), [(True, False), (False, False), (False, True)])
def test_nothing_stands_about_a_prospect(confirmed, is_guest):
    found = told(PROSPECT, confirmed=confirmed, is_guest=is_guest)

    assert found == Published(public=None, private=None)
