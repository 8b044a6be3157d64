"""What the doctor makes of the facts: each trouble is named with what to do, and nothing else is."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plugin.health import findings, shop_findings
from plugin.health.shop_findings import Answer, ShopFacts
from plugin.health.store import Backlog, Process, Run
from plugin.saleor.own_app import Subscription
from plugin.shops.webhooks.rules import Change

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOOK = Subscription(
    name="Herkend ORDER_PAID",
    identifier="order_paid",
    target_url="https://herkend.example/x",
    query="subscription { event { __typename } }",
    events=("ORDER_PAID",),
    active=True,
)
FINE = Answer(missing=frozenset(), active=True, changes=(), failed={}, webhooks=18)
SHOP = ShopFacts(
    address="https://shop.example/graphql/",
    state="active",
    publishes=True,
    hold_until=None,
    failures=0,
    key="newest",
    answer=FINE,
    silence="",
    refused=False,
)


def said(found) -> list[tuple[str, str]]:
    """Level and first words of what is not well; what is not well says what to do."""
    wrong = [finding for finding in found if finding.level != "ok"]
    assert all(finding.todo for finding in wrong)
    return [(finding.level, " ".join(finding.words.split()[:4])) for finding in wrong]


def ago(**by) -> datetime:
    return NOW - timedelta(**by)


def answering(**other) -> ShopFacts:
    return replace(SHOP, answer=replace(FINE, **other))


def changed(**other) -> Change:
    return Change(id="1", before=replace(HOOK, **other), after=HOOK)


@pytest.mark.parametrize(
    ("shop", "wrong"),
    [
        (SHOP, []),
        (replace(SHOP, publishes=False), []),
        (replace(SHOP, state="uninstalled", answer=None), []),
        (replace(SHOP, state="paused", answer=None, refused=True), []),
        (replace(SHOP, answer=None, key="lost"), []),
        (replace(SHOP, answer=None, refused=True), [("error", "It refuses our token:")]),
        (replace(SHOP, answer=None, silence="no answer."), [("error", "It cannot be asked:")]),
        (replace(SHOP, state="unreachable"), [("warning", "It counts as unreachable,")]),
        (
            replace(SHOP, hold_until=NOW + timedelta(minutes=1), failures=3),
            [("warning", "It is left alone")],
        ),
        (replace(SHOP, hold_until=ago(minutes=1), failures=3), []),
        (answering(active=False), [("warning", "The app is switched")]),
        (answering(missing=frozenset({"MANAGE_USERS"})), [("error", "The permission MANAGE_USERS is")]),
        (
            answering(changes=(Change(id=None, before=None, after=HOOK),)),
            [("error", "The webhook Herkend ORDER_PAID")],
        ),
        (answering(changes=(changed(active=False),)), [("error", "The webhook Herkend ORDER_PAID")]),
        (
            answering(changes=(changed(target_url="https://old/"),)),
            [("error", "The webhook Herkend ORDER_PAID")],
        ),
        (answering(changes=(changed(query="subscription"),)), [("error", "The webhook Herkend ORDER_PAID")]),
        (answering(changes=(changed(identifier=None),)), [("warning", "The webhook Herkend ORDER_PAID")]),
        (
            answering(changes=(Change(id="2", before=HOOK, after=None),)),
            [("warning", "The webhook Herkend ORDER_PAID")],
        ),
        (answering(failed={"1": [ago(hours=2)]}), [("warning", "1 delivery did not")]),
        (answering(failed={"1": [ago(hours=2)] * 20}), [("error", "20 deliveries did not")]),
        (answering(failed={"1": [ago(days=2)] * 20, "2": []}), []),
    ],
)
def test_what_is_wrong_with_a_shop_is_named(shop, wrong):
    assert said(shop_findings.of_shop(shop, now=NOW)) == wrong


def test_webhooks_with_the_same_wrong_are_named_together():
    hooks = [replace(HOOK, name=f"Herkend {number}") for number in range(18)]
    moved = [
        Change(id=hook.name, before=replace(hook, target_url="https://old/"), after=hook) for hook in hooks
    ]
    missing = [Change(id=None, before=None, after=replace(HOOK, name=name)) for name in ("b", "a")]
    found = shop_findings.of_shop(answering(changes=(*moved, *missing)), now=NOW)
    assert [it.words[:60] for it in found if it.level == "error"] == [
        "18 webhooks are not as they should be (its target address): "[:60],
        "2 webhooks are missing: a, b.",
    ]


def test_what_did_not_arrive_comes_after_the_webhooks_where_those_are_wrong():
    failed = {"1": [ago(hours=2)]}
    (_, hook, lost) = shop_findings.of_shop(
        answering(changes=(changed(active=False),), failed=failed), now=NOW
    )
    assert ("webhooks sync" in hook.todo, lost.todo.startswith("Put the webhooks right first.")) == (
        True,
        True,
    )


def test_an_app_that_is_off_is_not_said_to_be_taken_up_by_itself():
    off = replace(answering(active=False), state="paused")
    assert said(shop_findings.of_shop(off, now=NOW)) == [("warning", "The app is switched")]


def test_a_shop_that_surprises_is_named_with_what_it_was():
    (found,) = shop_findings.of_shop(replace(SHOP, answer=None, surprise="ValueError"), now=NOW)
    assert (found.level, "ValueError" in found.words) == ("error", True)


def test_a_shop_that_shows_only_is_well_and_says_so():
    (first, _) = shop_findings.of_shop(replace(SHOP, publishes=False), now=NOW)
    assert (first.level, "shows only" in first.words) == ("ok", True)


@pytest.mark.parametrize(
    ("url", "api_url", "wrong"),
    [
        ("https://herkend.example", "https://herkend.example", []),
        ("http://127.0.0.1:8000", "http://localhost:8000", []),
        (
            "http://herkend.example",
            "https://h.example",
            [("warning", "HERKEND_URL is http://herkend.example: without")],
        ),
        (
            "https://h.example",
            "http://10.0.0.1",
            [("warning", "HERKEND_API_URL is http://10.0.0.1: without")],
        ),
    ],
)
def test_an_address_without_https_is_named_unless_it_is_this_machines_own(settings, url, api_url, wrong):
    own = replace(settings, url=url, api_url=api_url, allowed_shops=re.compile("https://shop"))
    assert said(findings.of_settings(own)) == wrong


@pytest.mark.parametrize(
    ("url", "allowed", "wrong"),
    [
        ("https://h.example", None, [("warning", "HERKEND_ALLOWED_SHOPS is not set:")]),
        ("https://h.example", re.compile("https://shop"), []),
        ("http://127.0.0.1:8000", None, []),
    ],
)
def test_an_address_open_to_every_shop_is_named_where_it_can_be_reached(settings, url, allowed, wrong):
    own = replace(settings, url=url, api_url=url, allowed_shops=allowed)
    assert said(findings.of_settings(own)) == wrong


@pytest.mark.parametrize(
    ("count", "needed", "level"), [(2, True, "ok"), (0, False, "ok"), (0, True, "error")]
)
def test_a_file_of_keys_that_is_gone_is_named_once_there_is_a_database(count, needed, level):
    (found,) = findings.of_key_file(Path("/data/keys"), count=count, needed=needed)
    assert (found.level, "/data/keys" in found.words, bool(found.todo)) == (level, True, level == "error")
    assert findings.of_key_file(None, count=count, needed=needed) == []


@pytest.mark.parametrize(
    ("free", "levels"),
    [(None, []), (10 * 1024**3, ["ok"]), (1024**3, ["warning"]), (1024**2, ["error"])],
)
def test_a_disk_that_fills_is_named_in_time(free, levels):
    assert [finding.level for finding in findings.of_disk(free=free)] == levels


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        (["newest", "none"], []),
        (["older", "newest"], [("warning", "1 token is still")]),
        (["lost"], [("error", "Its token cannot be")]),
    ],
)
def test_tokens_that_do_not_open_or_rest_under_an_older_key_are_named(keys, wrong):
    assert (
        said(shop_findings.of_keys([replace(SHOP, key=key) for key in keys], way_back="Put it back."))
        == wrong
    )


def process(kind="worker", *, seen=NOW, started=NOW, version="1") -> Process:
    return Process(id=1, kind=kind, host="a", pid=1, version=version, started_at=started, seen_at=seen)


@pytest.mark.parametrize(
    ("processes", "wrong"),
    [
        ([process("web"), process("worker")], []),
        ([process("web")], [("error", "No worker process showed")]),
        ([process("worker"), process("web", seen=ago(minutes=1))], [("error", "No web process showed")]),
        ([process("web"), process(version="2")], [("warning", "Processes of another version")]),
    ],
)
def test_processes_that_are_missing_or_of_another_version_are_named(processes, wrong):
    assert said(findings.of_processes(processes, version="1", now=NOW)) == wrong


CRONS = {"often": "* * * * *", "hourly": "2 * * * *", "daily": "17 3 * * *"}


def run(name, *, done=None, problem=None) -> Run:
    return Run(name=name, begun_at=ago(minutes=1), succeeded_at=done, problem=problem)


@pytest.mark.parametrize(
    ("runs", "started", "wrong"),
    [
        ([], ago(minutes=5), []),
        ([], ago(hours=2), [("error", "often is late; it"), ("error", "hourly is late; it")]),
        ([], None, []),
        ([run("often", done=ago(minutes=1)), run("hourly", done=ago(hours=1))], ago(hours=20), []),
        (
            [run("often", done=NOW), run("hourly", done=NOW), run("daily", done=ago(hours=25))],
            ago(days=3),
            [("error", "daily is late; it")],
        ),
        ([run("daily", problem="no room")], ago(minutes=1), [("error", "daily failed at 2026-11-22")]),
    ],
)
def test_what_has_its_time_is_named_when_it_failed_or_is_late(runs, started, wrong):
    workers = [] if started is None else [process(started=started)]
    found = findings.of_timetable(runs, {**CRONS}, workers, now=NOW)
    assert said(found) == wrong


def test_what_has_its_time_is_shown_with_its_last_run():
    (found,) = findings.of_timetable([run("often", done=NOW)], CRONS, [process()], now=NOW)
    assert "Last run (UTC): daily not yet, hourly not yet, often 2026-11-22 11:59." in found.words


@pytest.mark.parametrize(
    ("what", "count", "oldest", "wrong"),
    [
        ("deliveries", 5, ago(seconds=3), []),
        ("deliveries", 5, ago(minutes=5), [("warning", "5 deliveries wait, the")]),
        ("deliveries", 5, ago(hours=5), [("error", "5 deliveries wait, the")]),
        ("deliveries", 1, ago(minutes=5), [("warning", "1 delivery waits, the")]),
        ("dead", 1, None, [("warning", "1 delivery could not")]),
        ("dead", 2, None, [("warning", "2 deliveries could not")]),
        ("to read", 2, ago(days=1), []),
    ],
)
def test_what_waits_too_long_or_was_not_understood_is_named(what, count, oldest, wrong):
    backlog = Backlog(what=what, shop_id=1, count=count, oldest=oldest)
    assert said(findings.of_backlogs([backlog], {1: SHOP.address}, now=NOW)) == wrong
