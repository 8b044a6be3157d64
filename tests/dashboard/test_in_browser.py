"""The shell page in a real browser, framed from another origin as the Dashboard frames it."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect, sync_playwright
from werkzeug.serving import make_server

from plugin.app import create_app
from tests.dashboard.dashboard_tokens import API_URL

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
]

# As Dashboard 3.23 does it: it answers `notifyReady`, and every other action with ok.
DASHBOARD = """<!doctype html><title>Dashboard</title><link rel="icon" href="data:,"><body style="margin:0">
<iframe id="app" src="%(url)s" style="border:0;width:100vw;height:100vh"
  sandbox="allow-same-origin allow-forms allow-scripts allow-downloads"></iframe>
<script>
  const app = document.getElementById("app");
  window.tell = (type, payload) => app.contentWindow.postMessage({type, payload}, "*");
  window.asked = [];
  addEventListener("message", ({data}) => {
    window.asked.push(data);
    tell("response", {actionId: data.payload.actionId, ok: true});
    if (data.type === "notifyReady") {
      tell("handshake", {token: %(token)s, version: 1, saleorVersion: "3.23.28"});
      tell("theme", {theme: "%(theme)s"});
      tell("localeChanged", {locale: "%(locale)s"});
    }
  });
</script>"""


@dataclass
class Framed:
    """A Dashboard with our page in it."""

    page: Page
    frame: FrameLocator
    messages: list[str]

    def tell(self, kind: str, **payload) -> None:
        self.page.evaluate("([kind, payload]) => tell(kind, payload)", [kind, payload])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def served() -> Iterator:
    """Serve applications on free ports of loopback."""
    running = []

    def serve(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def app_url(installation, served) -> str:
    settings = replace(installation.settings, frame_ancestors="http://127.0.0.1:*")
    return served(create_app(replace(installation, settings=settings)))


@pytest.fixture
def framed(browser, served, app_url, dashboard):
    """Open our page in a Dashboard."""
    pages = []

    def framed(*, theme="dark", locale="en", token=None, query="theme=light") -> Framed:
        parent = Flask("parent")
        url = f"{app_url}/?saleorApiUrl=https://evil.example/graphql/&{query}&saleorApiUrl={API_URL}&theme={theme}"
        told = {"url": url, "token": json.dumps(token or dashboard.token()), "theme": theme, "locale": locale}
        parent.add_url_rule("/", view_func=lambda: DASHBOARD % told)
        page = browser.new_page()
        pages.append(page)
        messages: list[str] = []
        page.on("console", lambda message: _note(message, messages))
        page.goto(served(parent))
        return Framed(page=page, frame=page.frame_locator("#app"), messages=messages)

    yield framed
    for page in pages:
        page.close()


def _note(message: ConsoleMessage, messages: list[str]) -> None:
    if message.type in {"error", "warning"}:
        messages.append(message.text)


def test_it_greets_the_merchant_in_the_frame_without_a_complaint_of_the_browser(framed):
    shown = framed()
    expect(shown.frame.get_by_role("heading", name="Welcome")).to_be_visible()
    expect(shown.frame.get_by_text("admin@shop.example")).to_be_visible()
    assert shown.messages == []


def test_it_wears_the_dashboards_theme_and_follows_it(framed):
    shown = framed(theme="dark")
    expect(shown.frame.locator("html")).to_have_attribute("data-theme", "dark")
    expect(shown.frame.get_by_role("heading", name="Welcome")).to_be_visible()
    shown.tell("theme", theme="light")
    expect(shown.frame.locator("html")).to_have_attribute("data-theme", "light")


def test_it_speaks_the_dashboards_language_and_follows_it(framed):
    shown = framed(locale="nl")
    expect(shown.frame.get_by_role("heading", name="Welkom")).to_be_visible()
    shown.tell("localeChanged", locale="en")
    expect(shown.frame.get_by_role("heading", name="Welcome")).to_be_visible()


def test_a_token_that_has_ended_is_replaced_as_soon_as_the_dashboard_has_a_new_one(framed, dashboard):
    shown = framed(token=dashboard.token(exp=1))
    expect(shown.frame.get_by_role("heading", name="Your sign-in has ended")).to_be_visible()
    shown.tell("tokenRefresh", token=dashboard.token())
    expect(shown.frame.get_by_role("heading", name="Welcome")).to_be_visible()


def test_refreshing_asks_again(framed, installation, shop):
    shown = framed()
    expect(shown.frame.get_by_role("heading", name="Herkend is looking on")).to_be_visible()
    from plugin.shops import store

    with installation.db.begin() as connection:
        store.release(connection, shop.id, by="a test", now=installation.clock())
    shown.frame.get_by_role("button", name="Refresh").click()
    expect(shown.frame.get_by_role("heading", name="Herkend is at work")).to_be_visible()


def test_a_link_is_opened_by_the_dashboard(framed):
    shown = framed()
    shown.frame.get_by_role("link", name="Privacy").click()
    shown.page.wait_for_function("asked.some(({type}) => type === 'redirect')")
    asked = shown.page.evaluate("asked.find(({type}) => type === 'redirect').payload")
    assert (asked["to"], asked["newContext"]) == ("http://herkend.example/privacy?lang=en", True)


def test_outside_a_frame_it_says_where_it_lives(browser, app_url):
    page = browser.new_page()
    page.goto(app_url)
    expect(page.get_by_role("heading", name="Herkend lives in your Saleor Dashboard")).to_be_visible()
    page.close()
