"""The pages that anybody may read, and what guards every page."""

import struct
from dataclasses import replace

import pytest

from plugin.app import create_app

PAGES = ["/", "/about", "/support", "/privacy"]


@pytest.mark.parametrize("path", [*PAGES, "/logo.png", "/static/bundle/shell.js", "/static/bundle/shell.css"])
def test_it_is_there(client, path):
    assert client.get(path, buffered=True).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/about/", "/support/", "/privacy/", "/dashboard/state/", "/logo.png/"]
)
def test_no_path_answers_with_a_redirect(client, path):
    assert not 300 <= client.get(path, buffered=True).status_code < 400


@pytest.mark.parametrize("path", [*PAGES, "/logo.png", "/static/bundle/shell.js", "/dashboard/state"])
def test_every_answer_is_guarded_and_sets_no_cookie(client, path):
    headers = client.get(path, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert policy["frame-ancestors"] == "https:"
    guards = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    assert {name: headers.get(name) for name in guards} == guards
    assert [name for name in ("X-Frame-Options", "Set-Cookie") if name in headers] == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_inline_needs_a_looser_policy(client, path):
    text = client.get(path, buffered=True).text
    assert [word for word in ("<style", " style=", " onclick=", "javascript:") if word in text] == []
    assert text.count("<script") == text.count("<script src=")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["?lang=nl", "?locale=nl", "?locale=en&locale=nl-BE"])
def test_a_page_speaks_the_language_named_last(client, path, query):
    assert '<html lang="nl"' in client.get(path + query).text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("nl-BE,nl;q=0.9,en;q=0.5", "nl"), ("en-US,nl;q=0.5", "en"), ("fr", "en"), ("", "en")],
)
def test_a_page_speaks_the_language_the_browser_asks_for(client, accepted, language):
    text = client.get("/about", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}"' in text


def test_the_theme_is_the_last_one_named(client):
    assert 'data-theme="dark"' in client.get("/?theme=light&theme=dark").text


@pytest.mark.parametrize("query", ["", "?theme=purple", '?theme="><script>'])
def test_without_a_known_theme_the_reader_decides(client, query):
    assert "data-theme" not in client.get("/" + query).text


def test_the_logo_is_a_square_of_at_least_256_pixels(client):
    answer = client.get("/logo.png", buffered=True)
    width, height = struct.unpack(">II", answer.data[16:24])
    assert (answer.mimetype, width == height, width >= 256) == ("image/png", True, True)


def test_support_names_who_runs_the_installation(installation):
    settings = replace(installation.settings, operator_name="An & Co", operator_email="help@shop.example")
    text = create_app(replace(installation, settings=settings)).test_client().get("/support").text
    assert ("An &amp; Co" in text, "mailto:help@shop.example" in text) == (True, True)


def test_addresses_keep_the_sub_path_of_the_installation(installation):
    settings = replace(installation.settings, url="https://shop.example/apps/herkend")
    text = create_app(replace(installation, settings=settings)).test_client().get("/").text
    assert 'src="/apps/herkend/static/bundle/shell.js"' in text
    assert 'hx-get="/apps/herkend/dashboard/state"' in text


@pytest.mark.parametrize("name", ["../shell.py", "..%2fshell.py", "bundle/../../shell.py", "bundle"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"/static/{name}").status_code == 404


def test_tiers_are_named_in_each_readers_language(client):
    said = [client.get(f"/about?lang={language}").text for language in ("en", "nl")]
    assert ["Regular customer" in said[0], "Regular customer" in said[1], "Vaste klant" in said[1]] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("prefix", ["", "/below/there"], ids=["taken off by the proxy", "left on"])
def test_below_a_path_every_page_is_found_whatever_the_proxy_does_with_the_path(installation, prefix):
    settings = replace(
        installation.settings, url="https://x.example/below/there", api_url="https://x.example/below/there"
    )
    client = create_app(replace(installation, settings=settings)).test_client()
    for path in ("/", "/api/manifest", "/logo.png", "/about", "/support", "/privacy"):
        with client.get(prefix + path) as answer:
            assert answer.status_code == 200
    with client.get(prefix + "/api/manifest") as answer:
        targets = {hook["targetUrl"].rpartition("/api/")[0] for hook in answer.json["webhooks"]}
    assert targets == {"https://x.example/below/there"}
    assert client.post(prefix + "/api/webhooks/order-created").status_code == 400
