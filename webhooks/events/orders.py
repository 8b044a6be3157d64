"""Events of orders: whatever happened, each tells the whole order as it is now."""

from collections.abc import Mapping

from plugin.customers.facts import Facts
from plugin.errors import Invalid, Permanent
from plugin.saleor import shapes
from webhooks.envelope import envelope, subject, unreadable


def parse(payload: object) -> Facts:
    """Return the order; raise Permanent when what decides about it cannot be understood.

    One field that the shop cannot tell (an empty `origin`) takes the whole order with it: then the bare order, asked
    for beside it, says what decides. An order whose customer the shop would not show is not a guest's order: it would
    be counted for the wrong person.
    """
    name = "bare" if _is_there(payload, "bare") and not _is_there(payload, "order") else "order"
    data = subject(payload, name=name)
    hidden = unreadable(payload, below=(name, "user"))
    if hidden and data.get("user") is None:
        raise Permanent(
            f"The shop would not show who placed this order: {'; '.join(hidden)}. "
            "Check that the app still has the permissions MANAGE_ORDERS and MANAGE_USERS."
        )
    try:
        return Facts(orders=(shapes.order(data, seen_at=envelope(payload).seen_at),))
    except Invalid as error:
        raise Permanent(str(error)) from error


def _is_there(payload: object, name: str) -> bool:
    return isinstance(payload, Mapping) and isinstance(payload.get(name), Mapping)
