"""Events of customers: each tells the account as it is now; some also say that its orders may have moved."""

from dataclasses import replace

from plugin.customers.facts import Facts
from plugin.errors import Invalid, Permanent
from plugin.saleor import shapes
from webhooks.envelope import envelope, subject


def parse(payload: object) -> Facts:
    """Return the account; raise Permanent when what decides about it cannot be understood."""
    data = subject(payload, name="user")
    try:
        account = shapes.account(data, seen_at=envelope(payload).seen_at)
    except Invalid as error:
        raise Permanent(str(error)) from error
    return Facts(accounts=(account,))


def parse_and_reread(payload: object) -> Facts:
    """Return the account, and ask for its orders: linking one to an account moves no order's `updatedAt`."""
    facts = parse(payload)
    return replace(facts, reread=tuple(account.id for account in facts.accounts))
