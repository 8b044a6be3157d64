"""Who watches learns whether the process answers, whether it can work, and with the token how it fares."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from plugin.db import Database
from plugin.health import readiness
from plugin.secret import Secret
from tests.health.scraping import TOKEN, watched

WATCHED = ["/healthz", "/readyz", "/metrics"]


def bearer(token: str) -> dict:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def away(installation, folder):
    """An installation whose database cannot be reached."""
    db = Database(Secret(f"postgresql://herkend@/herkend?host={folder}/nowhere"))
    yield replace(installation, db=db)
    db.close()


@pytest.mark.parametrize("path", WATCHED[:2])
def test_it_answers_and_can_work(installation, path):
    answer = watched(installation).get(path)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_without_its_database_it_answers_and_cannot_work(away):
    client = watched(away)
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "not ready", "problem": "The database does not answer."},
    )
    assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 503


def test_it_cannot_work_on_tables_of_another_version_and_says_no_more(installation):
    another = text("UPDATE alembic_version SET version_num = reverse(version_num)")
    with installation.db.begin() as connection:
        connection.execute(another)
    try:
        answer = watched(installation).get("/readyz")
    finally:
        with installation.db.begin() as connection:
            connection.execute(another)
    assert (answer.status_code, answer.json["problem"]) == (503, "The database does not fit this version.")


def test_it_can_work_again_once_the_database_answers(installation, away, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)
    ready = readiness.Readiness(away.db)
    before = ready.problem()
    away.db.engine = installation.db.engine
    assert (before, ready.problem()) == (readiness.AWAY, None)


def test_a_database_that_hangs_is_asked_once_and_holds_up_nobody(installation, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)
    client = watched(installation)
    assert client.get("/readyz").status_code == 200
    with capture_logs() as logs, installation.db.begin() as connection:
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        monkeypatch.setattr(readiness, "FITS_SECONDS", 0.0)
        statuses = [client.get(path, headers=bearer(TOKEN)).status_code for path in WATCHED * 3]
        asking = [thread for thread in threading.enumerate() if thread.name == "ready"]
    assert (statuses, len(asking)) == ([200, 503, 503] * 3, 1)
    asking[0].join()
    assert client.get("/readyz").status_code == 200
    assert [(line["event"], line["problem"]) for line in logs] == [("not ready", "The database hangs.")]


def test_the_metrics_are_closed_where_no_token_is_set(installation):
    client = watched(installation, metrics_token=None)
    unknown = client.get("/nowhere")
    answers = [client.get("/metrics", headers=headers) for headers in ({}, bearer(TOKEN), bearer(""))]
    assert [(it.status_code, it.data) for it in answers] == [(404, unknown.data)] * 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("another-token-of-some-length"),
        bearer(TOKEN + "x"),
        bearer(TOKEN[:-1]),
        bearer("tökén"),
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
def test_the_metrics_are_closed_to_strangers(installation, headers):
    answer = watched(installation).get("/metrics", headers=headers)
    assert "`Authorization: Bearer`" in answer.text
    assert (answer.status_code, answer.headers["WWW-Authenticate"], b"herkend_" in answer.data) == (
        401,
        "Bearer",
        False,
    )


def test_the_metrics_are_open_to_who_has_the_token(installation):
    answer = watched(installation).get("/metrics", headers=bearer(TOKEN))
    assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize("path", WATCHED)
def test_they_are_looked_at_and_nothing_else(installation, path):
    client = watched(installation)
    statuses = {
        method: client.open(path, method=method, headers=bearer(TOKEN)).status_code
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
    }
    assert statuses == {
        "GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405, "PATCH": 405,
    }  # fmt: skip


@pytest.mark.parametrize("path", WATCHED)
def test_they_are_there_below_a_path_too_and_redirect_nobody_and_no_cache_keeps_them(installation, path):
    client = watched(installation, url="http://herkend.example/apps/herkend")
    answers = [client.get(at + path, headers=bearer(TOKEN)) for at in ("", "/apps/herkend")]
    assert [(it.status_code, it.headers["Cache-Control"]) for it in answers] == [(200, "no-store")] * 2
    assert client.get(path + "/", headers=bearer(TOKEN)).status_code not in {301, 302, 307, 308}
