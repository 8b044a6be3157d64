"""Events of accounts that are gone, by the merchant's hand or by the customer's own.

Only id and e-mail are asked for: nothing else is needed, and one field that is no longer readable would leave
`user: null`, and nobody could tell whose account it was.
"""

from plugin.customers.facts import Facts
from plugin.errors import Invalid, Permanent
from plugin.saleor import shapes
from webhooks.envelope import envelope, subject


def parse(payload: object) -> Facts:
    """Return the account as deleted; raise Permanent when it is not said which one, or when."""
    data = subject(payload, name="user")
    try:
        at = envelope(payload).issued_at
        if at is None:
            raise Permanent("The shop told that an account was deleted, but not when.")
        return Facts(accounts=(shapes.account(data, seen_at=at, deleted=True),))
    except Invalid as error:
        raise Permanent(str(error)) from error
