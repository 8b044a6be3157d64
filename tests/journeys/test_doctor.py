"""`herkend doctor`: nothing to say about a healthy installation, and every trouble is named with what to do."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text

import sandbox.server
from plugin.cli import main
from plugin.clock import now
from plugin.health.beat import Beat
from plugin.secret import new_key
from sandbox.shop import Shop
from tests.journeys.conftest import World, served

PAID = "Herkend ORDER_PAID"


@pytest.fixture
def version():
    return "3.23"


@pytest.fixture
def there(version, installation):
    """A healthy installation by the real clock: one shop, a web process and a worker that show themselves."""
    shop = Shop(version=version, retry_scale=0.01)
    with ExitStack() as stack:
        running = stack.enter_context(served(replace(installation, clock=now)))
        stack.enter_context(sandbox.server.running(shop))
        stack.callback(shop.close)
        for kind in ("web", "worker"):
            beat = Beat(running, kind=kind)
            beat.perhaps()
        world = World(running, shop, f"{running.settings.url}/api/manifest")
        world.install()
        yield world


@pytest.fixture
def environment(there, folder, monkeypatch):
    settings = there.installation.settings
    monkeypatch.setenv("HERKEND_DATA", str(folder / "db"))
    monkeypatch.setenv("HERKEND_KEYS", settings.keys[0].reveal())
    monkeypatch.setenv("HERKEND_URL", settings.url)
    monkeypatch.setenv("HERKEND_ALLOW_NETWORKS", "127.0.0.0/8")
    return monkeypatch


@pytest.fixture
def doctor(environment):
    return lambda *arguments: CliRunner().invoke(main, ["doctor", *arguments])


def wrong(result) -> list[tuple[str, str]]:
    """Area and level of what is not well; all of it says what to do."""
    told = json.loads(result.stdout)["findings"]
    assert all(finding["todo"] for finding in told if finding["level"] != "ok")
    return [(finding["area"], finding["level"]) for finding in told if finding["level"] != "ok"]


def sql(world, statement: str) -> None:
    with world.installation.db.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("version", ["3.22", "3.23"])
def test_a_healthy_installation_is_well(there, doctor):
    result = doctor("--json")
    areas = {finding["area"] for finding in json.loads(result.stdout)["findings"]}
    assert (result.exit_code, wrong(result)) == (0, [])
    assert areas == {
        *(
            "settings",
            "disk",
            "database",
            "migrations",
            "processes",
            "timetable",
            "deliveries",
            "keys",
            "shops",
        ),
    }


def test_people_read_it_by_area_with_what_to_do(there, doctor):
    there.shop.delete_webhook(PAID)
    lines = doctor().output.splitlines()
    place = next(number for number, line in enumerate(lines) if PAID in line)
    assert lines[place].split() == ["error", "The", "webhook", *PAID.split(), "is", "missing."]
    assert f"-> Run `herkend webhooks sync {there.shop.domain}`." in lines[place + 1]
    assert lines[-1] == "1 error, 0 warnings."


def test_one_advice_for_several_troubles_is_given_once(there, doctor):
    there.shop.delete_webhook(PAID)
    there.shop.change_webhook("Herkend ORDER_CREATED", is_active=False)
    assert doctor().output.count("herkend webhooks sync") == 1


TROUBLES = {
    "a permission is missing": (lambda w: w.shop.grant("MANAGE_ORDERS"), [("shops", "error")], 1),
    "a webhook is missing": (lambda w: w.shop.delete_webhook(PAID), [("shops", "error")], 1),
    "a webhook is off": (lambda w: w.shop.change_webhook(PAID, is_active=False), [("shops", "error")], 1),
    "a webhook is double": (lambda w: w.shop.add_webhook(w.shop.webhook(PAID)), [("shops", "warning")], 0),
    "the app is off": (lambda w: w.shop.deactivate_app(), [("shops", "error")], 1),
    "the shop is away": (lambda w: w.shop.faults.add("status", status=503), [("shops", "error")], 1),
    "the shop talks nonsense": (lambda w: w.shop.faults.add("nonsense"), [("shops", "error")], 1),
    "it is paused": (lambda w: sql(w, "UPDATE shops SET state = 'paused'"), [("shops", "warning")], 0),
    "it is held": (
        lambda w: sql(w, "UPDATE shops SET failures = 3, hold_until = now() + interval '1 minute'"),
        [("shops", "warning")],
        0,
    ),
    "no worker lives": (
        lambda w: sql(w, "DELETE FROM processes WHERE kind = 'worker'"),
        [("processes", "error")],
        1,
    ),
    "the timetable failed": (
        lambda w: sql(w, "INSERT INTO timetable VALUES ('forget', now(), NULL, 'no room')"),
        [("timetable", "error")],
        1,
    ),
    "a delivery waits": (
        lambda w: sql(
            w,
            "INSERT INTO deliveries (shop_id, event, body_sha256, received_at) "
            "VALUES (1, 'order_paid', 'x', now() - interval '1 hour')",
        ),
        [("deliveries", "error")],
        1,
    ),
    "a letter is dead": (
        lambda w: sql(
            w,
            "INSERT INTO deliveries (shop_id, event, body_sha256, received_at, state) "
            "VALUES (1, 'order_paid', 'x', now() - interval '1 hour', 'dead')",
        ),
        [("deliveries", "warning")],
        0,
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_named_and_the_exit_code_says_whether_a_person_is_needed(there, doctor, name):
    trouble, expected, code = TROUBLES[name]
    trouble(there)
    result = doctor("--json")
    assert (wrong(result), result.exit_code) == (expected, code)


def test_a_token_whose_key_is_lost_is_named_once_with_the_way_back(there, environment, doctor):
    environment.setenv("HERKEND_KEYS", new_key().reveal())
    result = doctor("--json")
    (lost,) = [finding for finding in json.loads(result.stdout)["findings"] if finding["level"] == "error"]
    assert (lost["area"], lost["shop"], "install the app again" in lost["todo"]) == (
        "keys",
        there.shop.api_url,
        True,
    )


def test_tokens_under_an_older_key_are_a_warning(there, environment, doctor):
    environment.setenv("HERKEND_KEYS", f"{new_key().reveal()},{there.installation.settings.keys[0].reveal()}")
    result = doctor("--json")
    assert (wrong(result), result.exit_code) == ([("keys", "warning")], 0)


def test_deliveries_that_never_arrived_are_named(there, doctor):
    there.shop.deliveries.timeout = 1
    for hook in there.shop.app.webhooks:
        there.shop.change_webhook(hook.name, target_url="http://127.0.0.1:9/nobody")
    there.shop.place_order(email="ada@example.com")
    there.shop.deliveries.settle(20)
    told = json.loads(doctor("--json").stdout)["findings"]
    assert [finding["words"].split()[1:5] for finding in told if "arrive" in finding["words"]] == [
        ["deliveries", "did", "not", "arrive"]
    ]


def test_a_database_that_does_not_fit_ends_the_look_there(there, doctor):
    sql(there, "UPDATE alembic_version SET version_num = 'future-' || version_num")
    sql(there, "DELETE FROM fit_versions")
    try:
        result = doctor("--json")
    finally:
        sql(there, "UPDATE alembic_version SET version_num = replace(version_num, 'future-', '')")
    assert (wrong(result), result.exit_code) == ([("migrations", "error")], 1)


def test_a_database_that_is_away_is_said_and_nothing_else_is_tried(there, environment, doctor):
    environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    result = doctor("--json")
    assert (wrong(result), result.exit_code) == ([("database", "error")], 1)


def test_where_nothing_ever_ran_it_makes_no_database(there, environment, doctor, tmp_path):
    environment.setenv("HERKEND_DATA", str(tmp_path))
    environment.delenv("HERKEND_KEYS")
    result = doctor("--json")
    assert (wrong(result), list(tmp_path.iterdir())) == ([("database", "error")], [])


def test_a_database_that_does_not_run_is_said_and_left_as_it_is(there, environment, doctor, tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    (tmp_path / "postgres.log").write_text("how it crashed")
    (tmp_path / "keys").write_text(new_key().reveal())
    if os.geteuid() == 0:
        shutil.chown(tmp_path / "postgres", "nobody")
    environment.setenv("HERKEND_DATA", str(tmp_path))
    environment.delenv("HERKEND_KEYS")
    before = [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))]
    result = doctor()
    assert [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))] == before
    assert (result.exit_code, "The database is not running" in result.output) == (1, True)
    assert "Start `herkend run`" in result.output
    assert all(words in result.output for words in ("holds 1 key.", "PostgreSQL 18", "GB are free"))


def test_a_database_of_another_postgresql_is_said_without_starting_it(environment, doctor, tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")
    if os.geteuid() == 0:
        shutil.chown(tmp_path / "postgres", "nobody")
    environment.setenv("HERKEND_DATA", str(tmp_path))
    result = doctor()
    assert (result.exit_code, "PostgreSQL 17 made the database" in result.output) == (1, True)


def test_keys_that_are_gone_are_named_and_none_is_made(there, environment, doctor, folder):
    environment.delenv("HERKEND_KEYS")
    result = doctor("--json")
    assert ("settings", "error") in wrong(result)
    assert (result.exit_code, (folder / "db" / "keys").exists()) == (1, False)


def test_a_wrong_setting_is_exit_code_2(environment, doctor):
    environment.setenv("HERKEND_PORT", "many")
    assert doctor().exit_code == 2


def test_a_shop_that_takes_too_long_is_not_waited_for(there, doctor, monkeypatch):
    monkeypatch.setattr("plugin.health.doctor.PATIENCE_SECONDS", 0.2)
    there.shop.faults.add("slow", seconds=2, times=1)
    told = json.loads(doctor("--json").stdout)["findings"]
    assert [finding["words"] for finding in told if finding["level"] == "error"] == [
        "It cannot be asked: there was no time left to ask it."
    ]


def test_it_ends_though_a_shop_still_has_not_answered(there, environment):
    there.shop.faults.add("slow", seconds=60, times=1)
    script = (
        "from plugin.health import doctor; from plugin.cli import main; "
        "doctor.PATIENCE_SECONDS = 0.2; main(['doctor'])"
    )
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=15, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (1, "1 error, 0 warnings.", "")


def test_a_shop_that_surprises_does_not_end_the_look(there, doctor, monkeypatch):
    def surprise(_):
        raise ZeroDivisionError

    monkeypatch.setattr("plugin.health.doctor.failed_deliveries", surprise)
    result = doctor("--json")
    (told,) = [it for it in json.loads(result.stdout)["findings"] if it["level"] == "error"]
    assert (told["area"], told["shop"], "ZeroDivisionError" in told["words"]) == (
        "shops",
        there.shop.api_url,
        True,
    )


def test_it_changes_nothing(there, doctor):
    """Not even what it finds out: the shop was upgraded, and its token is dead."""
    there.shop.grant("MANAGE_ORDERS")
    there.shop.full_version += "0"
    before = everything(there)
    doctor()
    there.shop.deactivate_app()
    there.shop.deliveries.hold()
    doctor()
    assert everything(there) == before


def everything(world) -> list:
    with world.installation.db.begin() as connection:
        tables = ("shops", "shop_problems", "webhook_syncs", "procrastinate_jobs", "timetable", "processes")
        return [connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables]  # noqa: S608
