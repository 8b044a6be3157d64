"""`herkend webhooks`: whatever became of the webhooks in a shop, they come in line, and that can be taken back."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
from click.testing import CliRunner
from graphql import GraphQLError

import sandbox.server
from plugin.cli import main
from plugin.shops import store as shops
from plugin.shops.webhooks import sync as webhook_syncs
from sandbox.shop import Shop
from tests.journeys.conftest import World, served

PATCHES = ("3.22.67", "3.23.5", "3.23.28")
PAID, CREATED, UPDATED = "Herkend ORDER_PAID", "Herkend ORDER_CREATED", "Herkend ORDER_UPDATED"


@pytest.fixture(params=PATCHES)
def there(request, installation, clock):
    """A shop of some version that has the app installed; no worker runs."""
    shop = Shop(version=request.param[:4], patch=request.param, clock=clock, retry_scale=0.01)
    with ExitStack() as stack:
        running = stack.enter_context(served(installation))
        stack.enter_context(sandbox.server.running(shop))
        stack.callback(shop.close)
        world = World(running, shop, f"{running.settings.url}/api/manifest")
        world.install(publish=False)
        yield world


@pytest.fixture
def herkend(there, folder, monkeypatch):
    return commands(there, folder, monkeypatch)


def commands(world, folder, monkeypatch):
    settings = world.installation.settings
    monkeypatch.setenv("HERKEND_DATA", str(folder / "db"))
    monkeypatch.setenv("HERKEND_KEYS", settings.keys[0].reveal())
    monkeypatch.setenv("HERKEND_URL", settings.url)
    monkeypatch.setenv("HERKEND_ALLOW_NETWORKS", "127.0.0.0/8")
    return lambda *arguments: CliRunner().invoke(main, ["webhooks", *arguments])


def hooks(world) -> list:
    """All the webhooks of the app, without their ids, in the order of their names."""
    return sorted((replace(hook, id=0) for hook in world.shop.app.webhooks), key=repr)


def damage(world) -> None:
    """One webhook is gone, one switched off, one changed; one of ours is there twice, one is of long ago."""
    shop = world.shop
    shop.delete_webhook(CREATED)
    shop.change_webhook(PAID, is_active=False)
    old = "subscription { event { ... on OrderUpdated { issuedAt } } }"
    shop.change_webhook(UPDATED, target_url="http://old.example/x", query=old)
    shop.add_webhook(shop.webhook("Herkend ORDER_EXPIRED"))
    shop.add_webhook(shop.webhook("Herkend ORDER_EXPIRED"), name="Herkend ORDER_BOUGHT")
    shop.add_webhook(shop.webhook("Herkend ORDER_EXPIRED"), name="To our warehouse")


def test_right_after_installing_there_is_nothing_to_do(there, herkend):
    result = herkend("sync")
    assert (result.exit_code, result.output) == (
        0,
        f"{there.shop.api_url}: all webhooks are as they should be.\n",
    )
    assert there.count("SELECT count(*) FROM webhook_syncs") == 0


def test_what_is_missing_off_changed_double_or_old_comes_in_line_and_is_said(there, herkend):
    whole = hooks(there)
    damage(there)
    theirs = there.shop.webhook("To our warehouse")
    result = herkend("sync")
    said = {line.removeprefix(f"{there.shop.api_url}: ") for line in result.output.splitlines()}
    assert said == {
        f"{CREATED} made",
        f"{PAID} changed (on again: it was switched off)",
        f"{UPDATED} changed (its target address, what it asks for)",
        "Herkend ORDER_EXPIRED deleted",
        "Herkend ORDER_BOUGHT deleted",
    }
    assert (result.exit_code, [hook for hook in hooks(there) if hook != replace(theirs, id=0)]) == (0, whole)
    assert theirs in there.shop.app.webhooks


def test_a_second_sync_does_nothing(there, herkend):
    damage(there)
    herkend("sync")
    asked = len(there.shop.requests.all())
    assert "as they should be" in herkend("sync").output
    later = there.shop.requests.all()[asked:]
    assert [request.operation for request in later] == ["query", "query"]


def test_a_dry_run_says_the_same_and_changes_nothing(there, herkend):
    damage(there)
    before = there.shop.app.webhooks
    result = herkend("sync", "--dry-run")
    assert (result.exit_code, f"{CREATED} to be made\n" in result.output) == (0, True)
    assert (there.shop.app.webhooks, there.count("SELECT count(*) FROM webhook_syncs")) == (before, 0)


def test_undoing_brings_back_exactly_what_was_and_no_more_than_once(there, herkend):
    damage(there)
    before = hooks(there)
    herkend("sync")
    undone = herkend("undo", there.shop.domain)
    assert (undone.exit_code, hooks(there)) == (0, before)
    again = herkend("undo", there.shop.domain)
    assert (again.exit_code, "nothing to undo" in again.stderr) == (2, True)


@pytest.mark.parametrize("there", ["3.22.67", "3.23.28"], indirect=True)
@pytest.mark.parametrize("asked", range(3, 8))
@pytest.mark.parametrize("fault", ["close", "drop"])
def test_wherever_a_sync_breaks_off_it_can_be_done_again_and_be_undone(there, herkend, asked, fault):
    """`close`: the shop never heard of it; `drop`: it did it, and the answer was lost."""
    damage(there)
    before = hooks(there)
    break_off(there, at=asked, fault=fault)
    broken = herkend("sync")
    there.shop.faults.clear()
    assert (broken.exit_code, "not all is done" in broken.stderr) == (1, True)
    assert herkend("sync").exit_code == 0
    assert "as they should be" in herkend("sync").output
    while herkend("undo", there.shop.domain).exit_code == 0:
        pass
    assert hooks(there) == before


def break_off(world, *, at: int, fault: str) -> None:
    """Have the request go wrong that is the `at`th from now on: the first two only ask."""
    take, count = world.shop.faults.take, iter(range(1, 1000))

    def counting(*kinds, target=""):
        if kinds[0] == "status" and next(count) == at:
            world.shop.faults.add(fault)
        return take(*kinds, target=target)

    world.shop.faults.take = counting


def test_what_a_shop_does_not_take_is_said_and_the_rest_is_done_and_can_be_undone(there, herkend):
    damage(there)
    before, events_of = hooks(there), there.shop.events_of

    def choosy(query):
        if "OrderCreated" in query:
            raise GraphQLError("Cannot query field 'tea'.")
        return events_of(query)

    there.shop.events_of = choosy
    result = herkend("sync")
    assert (result.exit_code, result.output.count("\n")) == (1, 4 + 1)
    assert "CreateWebhook: GRAPHQL_ERROR at query: Cannot query field 'tea'." in result.stderr
    assert herkend("undo", there.shop.domain).exit_code == 0
    assert hooks(there) == before


def test_after_installing_again_there_is_nothing_to_undo(there, herkend):
    damage(there)
    herkend("sync")
    there.shop.deliveries.hold()
    there.shop.delete_app()
    there.shop.install(there.manifest_url)
    result = herkend("undo", there.shop.domain)
    assert (result.exit_code, "installed there again" in result.stderr) == (2, True)


def test_webhooks_are_listed_with_what_is_wrong_with_them(there, herkend):
    damage(there)
    lines = {line.split("  ")[0]: line.split("  ")[1] for line in herkend("list", "1").output.splitlines()}
    assert (lines[CREATED], lines["To our warehouse"]) == ("missing", "on")
    assert (lines[PAID], lines["Herkend ORDER_BOUGHT"]) == (
        "differs: on again: it was switched off",
        "to be deleted",
    )


def version(world) -> str:
    with world.installation.db.begin() as connection:
        return shops.by_id(connection, 1).saleor_version


def test_a_shop_that_was_upgraded_is_asked_in_its_new_words(installation, clock, folder, monkeypatch):
    """Its webhooks get their identifiers, and its version is known from then on."""
    shop = Shop(version="3.23", patch="3.23.5", clock=clock)
    with ExitStack() as stack:
        running = stack.enter_context(served(installation))
        stack.enter_context(sandbox.server.running(shop))
        stack.callback(shop.close)
        world = World(running, shop, f"{running.settings.url}/api/manifest")
        world.install(publish=False)
        old = version(world)
        shop.upgrade("3.23.28")
        result = commands(world, folder, monkeypatch)("sync")
        identifiers = {hook.identifier for hook in shop.app.webhooks}
    assert (result.exit_code, result.output.count("changed (its identifier)"), len(identifiers)) == (
        0,
        18,
        18,
    )
    assert (old, version(world)) == ("3.23.5", "3.23.28")


def test_a_shop_that_cannot_be_reached_is_named_and_the_others_go_on(
    idle_world, make_shop, clock, folder, monkeypatch
):
    other = make_shop(clock=clock)
    other.install(idle_world.manifest_url)
    other.delete_webhook(PAID)
    idle_world.shop.faults.add("status", status=503)
    result = commands(idle_world, folder, monkeypatch)("sync")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, f"{other.api_url}: {PAID} made")
    assert result.stderr.startswith(f"{idle_world.shop.api_url}: not all is done")


def test_what_nobody_thought_of_in_one_shop_is_named_and_the_others_go_on(
    idle_world, make_shop, clock, folder, monkeypatch
):
    other = make_shop(clock=clock)
    other.install(idle_world.manifest_url)
    other.delete_webhook(PAID)
    idle_world.shop.change_webhook(PAID, target_url="http://old.example/\x00")  # jsonb cannot hold that
    result = commands(idle_world, folder, monkeypatch)("sync")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, f"{other.api_url}: {PAID} made")
    assert result.stderr == f"{idle_world.shop.api_url}: not all is done, by a bug: DataError.\n"


@pytest.mark.parametrize("there", ["3.23.28"], indirect=True)
def test_while_somebody_is_at_it_another_does_nothing(there, herkend):
    """With the first one's changes half done, two who both made what is missing would make it twice."""
    damage(there)
    others = []
    with there.installation.db.begin() as connection:
        shop = shops.by_id(connection, 1)

    def meanwhile(_) -> None:
        if not others:
            others.extend(herkend(*arguments) for arguments in (["sync"], ["undo", "1"]))

    webhook_syncs.sync(there.installation, shop, by="test", heard=meanwhile)
    assert [other.exit_code for other in others] == [1, 1]
    assert all("Somebody else is just changing the webhooks" in other.stderr for other in others)
    assert "as they should be" in herkend("sync").output


@pytest.mark.parametrize("there", ["3.22.67"], indirect=True)
def test_what_staff_changed_since_is_named_and_left_as_it_is_when_a_sync_is_undone(there, herkend):
    damage(there)
    herkend("sync")
    moved = there.shop.change_webhook(PAID, target_url="https://proxy.example/in")
    there.shop.delete_webhook(CREATED)
    undone = herkend("undo", "1")
    assert undone.stderr == f"{there.shop.api_url}: {PAID} left as it is: somebody changed it since.\n"
    assert (undone.exit_code, there.shop.webhook(PAID)) == (1, moved)
    assert there.shop.webhook(UPDATED).target_url == "http://old.example/x"
    assert herkend("undo", "1").exit_code == 2


@pytest.mark.parametrize("there", ["3.22.67"], indirect=True)
def test_a_webhook_that_staff_had_send_elsewhere_is_left_alone_whatever_its_name(there, herkend):
    theirs = there.shop.add_webhook(
        there.shop.webhook(PAID), name="Herkend orders to our ERP", target_url="https://erp.example/in"
    )
    assert "as they should be" in herkend("sync").output
    assert theirs in there.shop.app.webhooks


def test_where_the_app_is_switched_off_or_gone_that_is_said(idle_world, folder, monkeypatch):
    herkend = commands(idle_world, folder, monkeypatch)
    idle_world.shop.deactivate_app()
    idle_world.shop.deliveries.settle()
    with idle_world.installation.db.begin() as connection:
        connection.exec_driver_sql("UPDATE shops SET state = 'paused'")
    off = herkend("sync")
    with idle_world.installation.db.begin() as connection:
        connection.exec_driver_sql("UPDATE shops SET state = 'uninstalled', token = NULL")
    assert (off.exit_code, "the app is switched off there" in off.stderr) == (1, True)
    assert (herkend("sync").exit_code, herkend("sync", "1").exit_code) == (0, 2)
