"""The commands: what they print, what they change, and the exit codes scripts rely on."""

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from plugin.cli import COMMANDS, main
from plugin.review import review_batch
from plugin.shops import store as shops
from tests.told import event, keep, order, register
from webhooks.process import process_batch

SHOP = "shop.example"


@pytest.fixture
def herkend(installation, folder, monkeypatch):
    """Run a command on the tests' own database."""
    monkeypatch.setenv("HERKEND_DATA", str(folder / "db"))
    monkeypatch.setenv("HERKEND_KEYS", installation.settings.keys[0].reveal())

    def run(*arguments: str, **options):
        return CliRunner().invoke(main, arguments, **options)

    return run


@pytest.fixture
def shop(installation):
    return register(installation)


@pytest.fixture
def one_buyer(installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    with installation.db.begin() as connection:
        connection.execute(text("UPDATE persons SET read_at = now(), read_due = NULL"))
    review_batch(installation)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert (result.exit_code, result.output.startswith("Usage: ")) == (0, True)


@pytest.mark.parametrize("group", ["db", "deliveries", "customers", "shops", "webhooks", "keys"])
def test_every_subcommand_explains_itself(group):
    names = CliRunner().invoke(main, [group, "--help"]).output.split("Commands:")[1].split("\n")
    for name in [line.split()[0] for line in names if line.strip()]:
        assert CliRunner().invoke(main, [group, name, "--help"]).exit_code == 0


def test_a_wrong_setting_ends_with_its_name_and_exit_code_2(monkeypatch):
    monkeypatch.setenv("HERKEND_PORT", "many")
    result = CliRunner().invoke(main, ["migrate"])
    assert (result.exit_code, "HERKEND_PORT" in result.stderr) == (2, True)


def test_migrating_a_database_that_is_up_to_date_changes_nothing(herkend, shop):
    assert (herkend("migrate").exit_code, herkend("migrate").output) == (0, "The database is up to date.\n")
    assert shop.api_url in herkend("shops", "list").output


def test_a_database_of_another_version_is_refused_with_what_to_do(herkend, installation):
    with installation.db.begin() as connection:
        here = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    try:
        result = herkend("shops", "list")
    finally:
        with installation.db.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :here"), {"here": here})
    assert (result.exit_code, "newer version" in result.stderr) == (1, True)


def test_customers_show_tells_the_standing_with_its_reasons(herkend, one_buyer):
    result = herkend("customers", "show", SHOP, "ADA@example.com")
    assert result.exit_code == 0
    lines = result.output.split("\n")
    assert lines[0] == "guest:ada@example.com: one-time buyer"
    assert lines[1] == "  Bought once, on 1 November 2026."


def test_customers_show_speaks_dutch_and_json(herkend, one_buyer):
    dutch = herkend("customers", "show", SHOP, "ada@example.com", "--language", "nl").output
    data = json.loads(herkend("customers", "show", SHOP, "ada@example.com", "--json").output)
    assert ("Eenmalige koper" in dutch, data["tier"]) == (True, "one-time")


def test_customers_show_says_when_nobody_is_known_by_that_name(herkend, shop):
    result = herkend("customers", "show", SHOP, "nobody@example.com")
    assert (result.exit_code, "Nobody" in result.stderr) == (2, True)


def test_an_unknown_shop_is_answered_with_those_that_are_known(herkend, shop):
    result = herkend("customers", "show", "elsewhere", "ada@example.com")
    assert (result.exit_code, shop.api_url in result.stderr) == (2, True)


def test_a_customer_whose_history_is_not_read_yet_is_shown_as_undecided(herkend, installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    assert "not decided yet" in herkend("customers", "show", SHOP, "ada@example.com").output


def test_deliveries_are_listed_shown_and_replayed(herkend, installation, shop, one_buyer):
    keep(installation, shop, "order_created", b"nonsense")
    process_batch(installation)
    listed = herkend("deliveries", "list", "--state", "dead")
    number = listed.output.split()[0]
    shown = herkend("deliveries", "show", number)
    assert (listed.exit_code, "JSONDecodeError" in listed.output, "Traceback" in shown.output) == (
        0,
        True,
        True,
    )
    assert herkend("deliveries", "replay", number).output == "1 to be processed once more.\n"
    assert herkend("deliveries", "list", "--state", "new", "--shop", SHOP).output.split()[0] == number


def test_a_body_is_shown_only_when_asked_for(herkend, one_buyer):
    plain, whole = (
        herkend("deliveries", "show", "1").output,
        herkend("deliveries", "show", "1", "--body").output,
    )
    assert ("ada@example.com" in plain, "ada@example.com" in whole) == (False, True)


def test_listing_no_deliveries_is_exit_code_1_for_scripts(herkend, shop):
    assert herkend("deliveries", "list", "--state", "dead").exit_code == 1


def test_replay_wants_numbers_or_all_dead_and_names_what_is_not_there(herkend, shop):
    assert herkend("deliveries", "replay").exit_code == 2
    assert herkend("deliveries", "replay", "1", "--dead").exit_code == 2
    assert "99" in herkend("deliveries", "replay", "99").stderr
    assert herkend("deliveries", "show", "99").exit_code == 2


def test_all_dead_letters_are_replayed_at_once(herkend, installation, shop):
    for body in (b"one", b"two"):
        keep(installation, shop, "order_created", body)
    process_batch(installation)
    assert herkend("deliveries", "replay", "--dead").output == "2 to be processed once more.\n"


def test_publishing_is_released_and_taken_back_as_versions_with_who(herkend, installation, shop):
    herkend("shops", "publish", SHOP)
    released = herkend("shops", "list").output
    herkend("shops", "publish", SHOP)
    herkend("shops", "show-only", SHOP)
    with installation.db.begin() as connection:
        versions = connection.execute(text("SELECT version, changed_by <> '' FROM shop_settings")).all()
        assert shops.policy(connection, shop.id).publish is False
    assert ("publishes" in released, [tuple(row) for row in versions]) == (
        True,
        [(1, True), (2, True), (3, True)],
    )


def test_personal_data_are_erased_only_where_the_app_is_uninstalled(herkend, installation, shop, one_buyer):
    assert herkend("shops", "erase", SHOP, "--yes").exit_code == 2
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())
    assert herkend("shops", "erase", SHOP, input="n\n").exit_code == 1
    assert herkend("shops", "erase", SHOP, "--yes").exit_code == 0
    with installation.db.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0


def test_of_a_shop_that_came_back_while_the_question_stood_nothing_is_erased(
    herkend, installation, shop, one_buyer, monkeypatch
):
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())
    monkeypatch.setattr(click, "confirm", lambda *_, **__: register(installation))
    result = herkend("shops", "erase", SHOP)
    with installation.db.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1
    assert (result.exit_code, "installed the app again meanwhile" in result.stderr) == (2, True)


def test_a_new_key_is_one_that_the_settings_take(herkend, monkeypatch):
    monkeypatch.setenv("HERKEND_KEYS", herkend("keys", "new").output.strip())
    assert herkend("migrate").exit_code == 0


def test_the_readme_names_every_command_and_no_other():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Commands")[1].split("## ")[0]
    assert set(re.findall(r"`herkend ([a-z -]+)`", table)) == set(_commands())


def _commands() -> list[str]:
    context = click.Context(main)
    found = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        below = command.commands if isinstance(command, click.Group) else {}
        found += [f"{name} {under}" for under in below] or [name]
    return found


def test_listing_shops_before_any_installed_the_app_is_exit_code_1(herkend):
    assert herkend("shops", "list").exit_code == 1


def test_an_installation_below_a_long_address_is_refused_before_saleor_does(monkeypatch):
    monkeypatch.setenv("HERKEND_URL", f"https://{'x' * 180}.example")
    result = CliRunner().invoke(main, ["migrate"])
    assert (result.exit_code, "HERKEND_URL" in result.stderr) == (2, True)


def test_the_demo_says_what_it_lacks(monkeypatch):
    from plugin.cli import demo

    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    result = CliRunner().invoke(main, ["demo"])
    assert (result.exit_code, "herkend[sandbox]" in result.stderr) == (1, True)
