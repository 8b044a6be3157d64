"""Whose order is it?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.customers.identity import (
    counts_as_confirmed,
    guest_key,
    is_account,
    normalise,
    owner,
    user_key,
)
from plugin.shops.policy import Policy

NOON = datetime(2025, 5, 12, 12, tzinfo=UTC)
POLICY = Policy()
TRUSTING = Policy(accounts_confirmed=True)
ORDER = OrderSnapshot(
    id="T3JkZXI6MQ==",
    number="1",
    status="FULFILLED",
    origin="CHECKOUT",
    created_at=NOON,
    updated_at=NOON,
    seen_at=NOON,
    paid_at=NOON,
    user_id=None,
    email="jan@example.nl",
    currency="EUR",
    gross=Decimal(40),
    undiscounted=Decimal(40),
    charged=Decimal(40),
    refunded=Decimal(0),
)
JAN = AccountSnapshot(
    id="VXNlcjox",
    email="jan@example.nl",
    is_confirmed=True,
    is_active=True,
    first_name="Jan",
    last_name="Jansen",
    language="NL_NL",
    joined_at=NOON,
    updated_at=NOON,
    seen_at=NOON,
)
UNCONFIRMED = replace(JAN, is_confirmed=False)


@pytest.mark.parametrize(
    ("typed", "spelling"),
    [
        ("Jan@Example.NL", "jan@example.nl"),
        ("  jan@example.nl ", "jan@example.nl"),
        ("jan+shoes@example.nl", "jan@example.nl"),
        ("jan+shoes+sale@example.nl", "jan@example.nl"),
        ("j.an@example.nl", "j.an@example.nl"),
        ("J.A.N@gmail.com", "jan@gmail.com"),
        ("j.a.n+x@GoogleMail.com", "jan@gmail.com"),
        ("jan@mail.gmail.com", "jan@mail.gmail.com"),
        ("+all@example.nl", "+all@example.nl"),
        (".+x@gmail.com", ".@gmail.com"),
        ('"a@b"@example.nl', '"a@b"@example.nl'),
        ("@example.nl", "@example.nl"),
        ("Not An Address", "not an address"),
        ("", ""),
    ],
)
def test_addresses_of_one_mailbox_have_one_spelling(typed, spelling):
    assert normalise(typed) == spelling


@given(st.one_of(st.emails(), st.text(alphabet="aB.+@ É", max_size=12)))
def test_normalising_twice_changes_nothing(typed):
    assert normalise(normalise(typed)) == normalise(typed)


def test_keys_say_what_they_name():
    assert (user_key("VXNlcjox"), guest_key("J.an+x@Gmail.com")) == ("user:VXNlcjox", "guest:jan@gmail.com")
    assert (is_account("user:VXNlcjox"), is_account("guest:user:1@example.nl")) == (True, False)


@pytest.mark.parametrize(
    ("account", "policy", "counts"),
    [(JAN, POLICY, True), (UNCONFIRMED, POLICY, False), (UNCONFIRMED, TRUSTING, True), (JAN, TRUSTING, True)],
)
def test_an_account_is_confirmed_by_its_owner_or_by_the_merchants_setting(account, policy, counts):
    assert counts_as_confirmed(account, policy=policy) is counts


OTHER = replace(JAN, id="VXNlcjoy", email="jan+shoes@example.nl", joined_at=NOON - timedelta(days=9))
THIRD = replace(OTHER, id="VXNlcjoz", email="jan+books@example.nl")
STRANGER = replace(JAN, id="VXNlcjo5", email="piet@example.nl")
GUEST = "guest:jan@example.nl"


@pytest.mark.parametrize(
    ("why", "changes", "accounts", "policy", "person"),
    [
        ("nobody has the address", {}, [], POLICY, GUEST),
        ("another's account is not his", {}, [STRANGER], POLICY, GUEST),
        ("a confirmed account gets it", {}, [JAN], POLICY, "user:VXNlcjox"),
        ("letter case does not matter", {"email": " JAN@example.nl"}, [JAN], POLICY, "user:VXNlcjox"),
        ("an alias does not matter", {"email": "jan+x@example.nl"}, [JAN], POLICY, "user:VXNlcjox"),
        ("an unconfirmed account gets nothing", {}, [UNCONFIRMED], POLICY, GUEST),
        ("unless the merchant trusts accounts", {}, [UNCONFIRMED], TRUSTING, "user:VXNlcjox"),
        ("a deleted account gets nothing", {}, [replace(JAN, deleted=True)], POLICY, GUEST),
        (
            "a blocked account is still the person",
            {},
            [replace(JAN, is_active=False)],
            POLICY,
            "user:VXNlcjox",
        ),
        ("the exact address comes first", {}, [OTHER, JAN], POLICY, "user:VXNlcjox"),
        ("in any case", {"email": "JAN@EXAMPLE.NL"}, [OTHER, JAN], POLICY, "user:VXNlcjox"),
        ("then the oldest account", {"email": "jan+x@example.nl"}, [JAN, OTHER], POLICY, "user:VXNlcjoy"),
        ("then the smaller id", {"email": "jan+x@example.nl"}, [THIRD, OTHER], POLICY, "user:VXNlcjoy"),
        ("a confirmed alias before an unconfirmed twin", {}, [UNCONFIRMED, OTHER], POLICY, "user:VXNlcjoy"),
        ("a linked order is the account's", {"user_id": "VXNlcjox"}, [JAN], POLICY, "user:VXNlcjox"),
        ("an unconfirmed one's too", {"user_id": "VXNlcjox"}, [UNCONFIRMED], POLICY, "user:VXNlcjox"),
        ("also before we know it", {"user_id": "VXNlcjox"}, [], POLICY, "user:VXNlcjox"),
        ("also with another's address", {"user_id": "VXNlcjo5"}, [JAN, STRANGER], POLICY, "user:VXNlcjo5"),
        (
            "a deleted account leaves its orders to the guest",
            {"user_id": "VXNlcjox"},
            [replace(JAN, deleted=True)],
            POLICY,
            GUEST,
        ),
        (
            "or to the account that now has the address",
            {"user_id": "VXNlcjox"},
            [replace(JAN, deleted=True), replace(JAN, id="VXNlcjo3")],
            POLICY,
            "user:VXNlcjo3",
        ),
        ("no address and no account", {"email": ""}, [], POLICY, "guest:order:T3JkZXI6MQ=="),
        (
            "nor is an account without an address his",
            {"email": " "},
            [replace(JAN, email="")],
            POLICY,
            "guest:order:T3JkZXI6MQ==",
        ),
    ],
)
def test_an_order_has_one_owner(why, changes, accounts, policy, person):
    assert owner(replace(ORDER, **changes), accounts=accounts, policy=policy) == person, why


def test_the_newest_word_on_an_account_holds():
    deleted = replace(JAN, deleted=True, seen_at=NOON + timedelta(seconds=1))

    assert owner(ORDER, accounts=[deleted, JAN], policy=POLICY) == GUEST
    assert owner(ORDER, accounts=[JAN, deleted], policy=POLICY) == GUEST


addresses = st.sampled_from(["jan@example.nl", "jan+x@example.nl", "jan+y@example.nl", "piet@example.nl"])
accounts_of_a_shop = st.lists(
    st.builds(
        lambda number, email, confirmed, deleted, days: replace(
            JAN,
            id=f"VXNlcjo{number}",
            email=email,
            is_confirmed=confirmed,
            deleted=deleted,
            joined_at=NOON - timedelta(days=days),
        ),
        st.integers(0, 9),
        addresses,
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
    ),
    max_size=6,
    unique_by=lambda account: account.id,
)


@given(accounts_of_a_shop, addresses, st.randoms(use_true_random=False), st.booleans())
def test_the_owner_is_the_same_in_whatever_order_accounts_come(accounts, email, random, trusting):
    order, policy = replace(ORDER, email=email), Policy(accounts_confirmed=trusting)
    shuffled = accounts * 2
    random.shuffle(shuffled)

    assert owner(order, accounts=shuffled, policy=policy) == owner(order, accounts=accounts, policy=policy)


@given(accounts_of_a_shop, addresses)
def test_an_unconfirmed_account_never_gets_a_guests_order(accounts, email):
    order = replace(ORDER, email=email)
    allowed = {user_key(account.id) for account in accounts if account.is_confirmed and not account.deleted}

    assert owner(order, accounts=accounts, policy=POLICY) in {*allowed, guest_key(email)}


@given(accounts_of_a_shop, addresses)
def test_taking_confirmation_back_never_moves_an_order_to_that_account(accounts, email):
    order = replace(ORDER, email=email)
    for account in accounts:
        others = [one for one in accounts if one.id != account.id]
        doubted = [*others, replace(account, is_confirmed=False)]

        assert owner(order, accounts=doubted, policy=POLICY) == owner(order, accounts=others, policy=POLICY)
