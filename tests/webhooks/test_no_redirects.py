"""Saleor takes a redirect for a success and never sends again: nothing of ours redirects."""

import pytest

from plugin.app import create_app
from webhooks.registry import EVENTS


@pytest.fixture
def app(installation):
    return create_app(installation)


def test_no_route_of_the_whole_application_redirects(app):
    client = app.test_client()
    paths = [rule.rule for rule in app.url_map.iter_rules() if not rule.arguments]
    spellings = [path + slash for path in paths for slash in ("", "/", "//")] + ["/" + path for path in paths]
    redirected = [path for path in spellings if status(client, path, method="GET") // 100 == 3]
    redirected += [path for path in spellings if status(client, path, method="POST") // 100 == 3]
    assert redirected == []


def test_every_event_has_its_route_in_the_whole_application(app):
    assert {event.route for event in EVENTS} <= {rule.rule for rule in app.url_map.iter_rules()}


def status(client, path: str, *, method: str) -> int:
    """Ask for the path exactly as it is written: the test client itself would tidy it up."""
    with client.open("/", method=method, environ_overrides={"PATH_INFO": path}) as answer:
        return answer.status_code
