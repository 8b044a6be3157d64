"""Every answer is guarded, whichever route, method or error it comes from, and below whichever path."""

from dataclasses import replace

import pytest
from werkzeug.test import Client

from plugin.app import create_app

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
UNKNOWN = [
    "/nowhere",
    "/api",
    "/api/nowhere",
    "/static/nowhere",
    "/static/../app.py",
    "/%00",
    "/\u20ac",
    "//",
    "/.env",
]
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CLOSED = "default-src 'none'; frame-ancestors 'none'"


def served(installation, **changes):
    return create_app(replace(installation, settings=replace(installation.settings, **changes)))


@pytest.fixture
def app(installation):
    return served(installation)


def paths(app) -> list[str]:
    return sorted({str(rule).replace("<path:name>", "bundle/shell.js") for rule in app.url_map.iter_rules()})


def answers(app):
    """Answer every path with every method, and some with bodies and headers that cannot be read."""
    client = app.test_client()
    for path in [*paths(app), *UNKNOWN]:
        for method in METHODS:
            yield f"{method} {path}", client.open(path, method=method, buffered=True)
        spoiled = {"Content-Length": "many", "Accept-Language": "\xff", "If-Modified-Since": "never"}
        yield f"spoiled {path}", client.get(path, headers=spoiled, buffered=True)
        yield f"ranged {path}", client.get(path, headers={"Range": "bytes=9999999-"}, buffered=True)


def test_every_answer_of_every_route_and_of_none_is_guarded(app):
    unguarded = [
        (asked, answer.status_code)
        for asked, answer in answers(app)
        if {name: answer.headers.get(name) for name in GUARDS} != GUARDS
        or not {"Content-Security-Policy", "Permissions-Policy", "Cross-Origin-Resource-Policy"}
        <= set(answer.headers.keys())
        or {"X-Frame-Options", "Set-Cookie"} & set(answer.headers.keys())
    ]
    assert unguarded == []


def test_no_answer_says_a_thing_twice(app):
    twice = [
        (asked, name)
        for asked, answer in answers(app)
        for name in {name.lower() for name, _ in answer.headers}
        if len(answer.headers.getlist(name)) > 1
    ]
    assert twice == []


def test_nobody_may_frame_what_is_no_page_and_nothing_runs_in_it(app):
    pages = {"/", "/about", "/support", "/privacy", "/dashboard/state", "/dashboard/standing", "/logo.png"}
    client = app.test_client()
    api = [
        path
        for path in [*paths(app), *UNKNOWN]
        if path not in {*pages, "//"} and not path.startswith("/static/")
    ]
    said = {client.get(path, buffered=True).headers["Content-Security-Policy"] for path in api}
    assert (said, len(api) > 20) == ({CLOSED}, True)


@pytest.mark.parametrize("path", ["/", "/about", "/support", "/privacy", "/dashboard/state"])
def test_pages_may_be_framed_by_whom_the_settings_name(installation, path):
    app = served(installation, frame_ancestors="https://dashboard.example http://localhost:*")
    policy = app.test_client().get(path).headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert policy[-1] == "frame-ancestors https://dashboard.example http://localhost:*"


def test_answers_are_kept_by_nobody_but_files_that_are_the_same_for_all(app):
    kept = {
        asked
        for asked, answer in answers(app)
        if asked.startswith("GET ") and answer.headers["Cache-Control"] != "no-store"
    }
    assert kept == {"GET /logo.png", "GET /static/bundle/shell.js"}


def test_the_logo_may_be_shown_by_other_sites_and_nothing_else(app):
    shown = {
        asked
        for asked, answer in answers(app)
        if answer.headers["Cross-Origin-Resource-Policy"] != "same-origin" and asked.startswith("GET ")
    }
    assert shown == {"GET /logo.png"}


@pytest.mark.parametrize(
    ("url", "said"), [("https://x.example", "max-age=31536000"), ("http://x.example", None)]
)
def test_browsers_are_told_to_keep_to_https_where_the_installation_stands_there(installation, url, said):
    app = served(installation, url=url)
    for path in ("/", "/nowhere", "/api/manifest"):
        assert app.test_client().get(path).headers.get("Strict-Transport-Security") == said


@pytest.mark.parametrize("path", ["/below/about", "/below/nowhere", "/elsewhere/about"])
def test_below_a_path_it_is_the_same(installation, path):
    app = served(installation, url="https://x.example/below", api_url="https://x.example/below")
    headers = app.test_client().get(path).headers
    assert {name: headers.get(name) for name in GUARDS} == GUARDS


def test_a_door_that_breaks_answers_guarded_too_and_says_nothing_of_it(app):
    def broken():
        raise RuntimeError("hidden")

    app.add_url_rule("/broken", view_func=broken)
    answer = app.test_client().get("/broken")
    assert (answer.status_code, "hidden" in answer.text) == (500, False)
    assert answer.headers["Content-Security-Policy"] == CLOSED


def test_what_no_door_has_seen_is_guarded_too(app):
    client = Client(app.wsgi_app)
    answer = client.get("/about", headers={"Host": "x" * 300 + ":y"})
    assert {name: answer.headers.get(name) for name in GUARDS} == GUARDS


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "Host"]
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_no_header_changes_where_we_say_that_we_stand(installation, header, proxies):
    app = served(installation, trusted_proxies=proxies)
    plain = app.test_client().get("/api/manifest").data
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    assert app.test_client().get("/api/manifest", headers={header: value}).data == plain
