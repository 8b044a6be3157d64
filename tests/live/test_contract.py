"""What is promised between Saleor and Herkend, against a Saleor that really runs."""

from dataclasses import dataclass

import pytest

from tests.live.conftest import Herkend
from tests.live.saleor import Saleor, wait_until

pytestmark = pytest.mark.enable_socket
NOTHING = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyers:
    """Ten orders of five people, all of today: one visit each, however many orders."""

    confirmed: str
    unconfirmed: str
    guest_orders: tuple[str, str]
    unpaid: str
    cancelled: str


@pytest.fixture(scope="module")
def buyers(saleor: Saleor, installed: Herkend) -> Buyers:
    guest = f"guest.{saleor.mark}@example.com"
    bought = Buyers(
        confirmed=_buy(saleor, "ada", orders=4, confirmed=True),
        unconfirmed=_buy(saleor, "ben", orders=2, confirmed=False),
        guest_orders=(saleor.order(email=guest), saleor.order(email=guest)),
        unpaid=_buy(saleor, "dan", orders=1, paid=False),
        cancelled=(eve := saleor.customer("eve", confirmed=True)),
    )
    regretted = saleor.order(user=eve)
    wait_until(lambda: saleor.tags(user=eve) == ("one-time", "one-time"), what="the fifth has a tier")
    saleor.cancel(regretted)
    return bought


def _buy(saleor: Saleor, name: str, *, orders: int, confirmed: bool = True, paid: bool = True) -> str:
    customer = saleor.customer(name, confirmed=confirmed)
    for _ in range(orders):
        saleor.order(user=customer, paid=paid)
    return customer


def test_every_buyer_of_ten_orders_is_told_apart(saleor, installed, buyers):
    def tags():
        return {
            "confirmed": saleor.tags(user=buyers.confirmed),
            "unconfirmed": saleor.tags(user=buyers.unconfirmed),
            "guest": [saleor.tags(order=order) for order in buyers.guest_orders],
            "unpaid": saleor.tags(user=buyers.unpaid),
            "cancelled": saleor.tags(user=buyers.cancelled),
        }

    def settled():
        return installed.idle() and tags()["guest"][1] != NOTHING and tags()["cancelled"] == NOTHING

    wait_until(settled, what="everything is processed and told")
    told = tags()
    assert told.pop("guest")[1] == (None, "one-time")  # the older one may have been the newest for a moment
    assert told == {
        "confirmed": ("one-time", "one-time"),
        "unconfirmed": (None, "one-time"),
        "unpaid": NOTHING,
        "cancelled": NOTHING,
    }


@pytest.mark.parametrize(
    ("days_ago", "tier"), [((30,), "returning"), ((40, 80, 400), "regular"), ((800,), "one-time")]
)
def test_what_somebody_bought_before_we_came_is_read_and_counts(saleor, installed, days_ago, tier):
    known = saleor.customer(f"gil{len(days_ago)}.{tier}", confirmed=True)
    saleor.orders_of_old(user=known, days_ago=days_ago)
    saleor.order(user=known)
    wait_until(lambda: saleor.tags(user=known) == (tier, tier), what=f"the customer is {tier}")


def test_nothing_that_came_in_was_not_understood(installed, buyers):
    wait_until(installed.idle, what="everything is processed")
    assert installed.command("deliveries", "list", "--state", "dead").stdout == ""


def test_the_doctor_finds_nothing_wrong(installed, buyers):
    found = installed.command("doctor")
    assert found.returncode == 0, found.stdout + found.stderr


def test_webhooks_that_were_deleted_or_switched_off_come_back_and_that_can_be_undone(saleor, installed):
    assert _synced(saleor, installed) == []
    gone, off = saleor.webhooks()[:2]
    saleor.change("mutation($id: ID!) { webhookDelete(id: $id) { errors { code } } }", id=gone.id)
    saleor.change(
        """mutation($id: ID!) {
            webhookUpdate(id: $id, input: {isActive: false}) { errors { code } }
        }""",
        id=off.id,
    )
    broken = [f"{off.name} changed (on again: it was switched off)", f"{gone.name} made"]
    assert _synced(saleor, installed) == broken
    assert _synced(saleor, installed) == []
    undone = installed.command("webhooks", "undo", saleor.host)
    assert undone.returncode == 0, undone.stderr
    assert _synced(saleor, installed) == broken
    assert _synced(saleor, installed) == []


def _synced(saleor: Saleor, installed: Herkend) -> list[str]:
    """What is changed, after a dry run has said the same."""
    would, did = (installed.command("webhooks", "sync", *more) for more in (["--dry-run"], []))
    assert (would.returncode, did.returncode) == (0, 0), would.stderr + did.stderr
    assert would.stdout.replace(" to be ", " ") == did.stdout
    said = [line.partition(": ")[2] for line in did.stdout.splitlines()]
    return [] if said == ["all webhooks are as they should be."] else said


def test_a_shop_that_uninstalls_and_installs_again_finds_its_settings(saleor, installed):
    saleor.uninstall()
    wait_until(lambda: "uninstalled" in installed.shop(saleor), what="the shop is known to have left")
    saleor.install(installed.manifest_url)
    wait_until(lambda: "  active  publishes  " in installed.shop(saleor), what="the shop is back as it was")
    again = _buy(saleor, "fay", orders=1)
    wait_until(lambda: saleor.tags(user=again) == ("one-time", "one-time"), what="the new token works")
