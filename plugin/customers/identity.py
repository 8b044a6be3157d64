"""Whose order is it: one person out of accounts and guests.

docs/decisions/0001-one-person.md says why.
"""

from collections.abc import Iterable

from plugin.customers.facts import AccountSnapshot, OrderSnapshot, latest
from plugin.shops.policy import Policy

# "user:<Saleor's id>", "guest:<normalised e-mail>", or "guest:order:<order id>" where nobody is named.
PersonKey = str

GMAIL = frozenset({"gmail.com", "googlemail.com"})


def normalise(email: str) -> str:
    """Return one spelling for all addresses that reach one mailbox: case, plus-suffix, and the dots at Gmail.

    Normalising twice changes nothing. What has no @ is only stripped and put in lower case.
    """
    local, at, domain = _spelling(email).rpartition("@")
    if not at:
        return domain
    local = local.partition("+")[0] or local
    if domain in GMAIL:
        domain = "gmail.com"
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


def user_key(user_id: str) -> PersonKey:
    """Name the person behind an account."""
    return f"user:{user_id}"


def guest_key(email: str) -> PersonKey:
    """Name the person behind an address without an account."""
    return f"guest:{normalise(email)}"


def is_account(person: PersonKey) -> bool:
    """Tell accounts from guests."""
    return person.startswith("user:")


def counts_as_confirmed(account: AccountSnapshot, *, policy: Policy) -> bool:
    """Tell whether the address of the account is known to be its owner's: anybody can register anybody's."""
    return account.is_confirmed or policy.accounts_confirmed


def owner(order: OrderSnapshot, *, accounts: Iterable[AccountSnapshot], policy: Policy) -> PersonKey:
    """Say whose order it is, given at least the accounts of its normalised address and the linked one.

    An order that Saleor linked to an account is that account's, confirmed or not. Any other goes to the
    confirmed account of its address, else to the guest of that address. An order that names nobody is a
    person of its own: strangers are never added up. Deleting an account unlinks its orders without telling,
    so a link to a deleted account does not hold.
    """
    known = latest(accounts)
    linked = known.get(order.user_id or "")
    if order.user_id and not (linked and linked.deleted):
        return user_key(order.user_id)
    if "@" not in order.email:
        return f"guest:order:{order.id}"
    mine = [account for account in known.values() if _may_receive(account, order=order, policy=policy)]
    if not mine:
        return guest_key(order.email)
    typed = _spelling(order.email)
    best = min(mine, key=lambda account: (_spelling(account.email) != typed, account.joined_at, account.id))
    return user_key(best.id)


def _may_receive(account: AccountSnapshot, *, order: OrderSnapshot, policy: Policy) -> bool:
    return (
        counts_as_confirmed(account, policy=policy)
        and not account.deleted
        and normalise(account.email) == normalise(order.email)
    )


def _spelling(email: str) -> str:
    return email.strip().lower()
