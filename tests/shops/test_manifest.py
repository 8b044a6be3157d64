"""The manifest is one that Saleor 3.22 and 3.23 accept, each with what it knows."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask

from plugin.shops import manifest as page
from plugin.shops.manifest import manifest, schema_version
from webhooks.registry import EVENTS

ROOT = Path(__file__).parents[2]
BROWSER, API = "https://herkend.example/app", "https://internal.example:8443/app"


@pytest.fixture
def told(settings) -> dict:
    return manifest(replace(settings, url=BROWSER, api_url=API), schema_version=(3, 23))


@pytest.fixture
def door(installation):
    app = Flask(__name__)
    app.register_blueprint(page.blueprint(installation))
    return app.test_client()


def test_the_version_is_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert json.loads((ROOT / "manifest.json").read_text())["version"] == project["project"]["version"]


def test_it_says_who_we_are_and_asks_for_no_more_than_we_need(told):
    assert (told["id"], told["permissions"]) == ("herkend", ["MANAGE_ORDERS", "MANAGE_USERS"])
    assert (told["requiredSaleorVersion"], told["extensions"]) == (">=3.22.36 <3.23 || >=3.23.5 <4", [])


def test_it_puts_no_audience_into_tokens(told):
    assert "audience" not in told


def test_pages_for_people_stand_at_the_public_address(told):
    pages = {name: told[name] for name in ("appUrl", "homepageUrl", "supportUrl", "dataPrivacyUrl")}
    assert pages == {
        "appUrl": BROWSER + "/",
        "homepageUrl": BROWSER + "/about",
        "supportUrl": BROWSER + "/support",
        "dataPrivacyUrl": BROWSER + "/privacy",
    }


def test_what_saleor_calls_stands_at_the_address_it_reaches_us_by(told):
    called = [told["tokenTargetUrl"], told["brand"]["logo"]["default"]]
    assert called == [API + "/api/register", API + "/logo.png"]
    assert [hook["targetUrl"] for hook in told["webhooks"]] == [API + event.route for event in EVENTS]


def test_nothing_is_longer_than_saleor_allows(told):
    lengths = {"id": 256, "name": 60, "version": 60, "author": 60, "tokenTargetUrl": 200}
    lengths |= dict.fromkeys(("appUrl", "homepageUrl", "supportUrl", "dataPrivacyUrl"), 200)
    assert [name for name, limit in lengths.items() if not 0 < len(told[name]) <= limit] == []
    assert max(len(hook["targetUrl"]) for hook in told["webhooks"]) <= 255
    assert max(len(hook["name"]) for hook in told["webhooks"]) <= 255


def test_each_event_has_a_webhook_of_its_own_under_a_name_of_its_own(told):
    assert [hook["asyncEvents"] for hook in told["webhooks"]] == [[event.name] for event in EVENTS]
    assert len({hook["name"] for hook in told["webhooks"]}) == len(EVENTS)


@pytest.mark.parametrize(
    ("version", "left_out"), [(None, {"CUSTOMER_DELETED"}), ((3, 22), {"CUSTOMER_DELETED"}), ((3, 23), set())]
)
def test_a_saleor_is_not_asked_for_what_it_does_not_know(settings, version, left_out):
    hooks = manifest(settings, schema_version=version)["webhooks"]
    assert {event.name for event in EVENTS} - {hook["asyncEvents"][0] for hook in hooks} == left_out


@pytest.mark.parametrize(
    ("header", "version"),
    [
        ("3.22", (3, 22)),
        ("3.23", (3, 23)),
        ("3.100", (3, 100)),
        ("3.23.28", (3, 23)),
        (" 4.0 ", (4, 0)),
        ("", None),
        ("3", None),
        ("3.", None),
        ("three", None),
        ("3.-1", None),
        ("3.2²", None),
        ("3." + "9" * 5000, None),
    ],
)
def test_the_version_in_the_header_is_two_numbers_or_none(header, version):
    assert schema_version(header) == version


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({"Saleor-Schema-Version": "3.23"}, len(EVENTS)),
        ({"saleor-schema-version": "3.23"}, len(EVENTS)),
        ({"Saleor-Schema-Version": "3.22"}, len(EVENTS) - 1),
        ({"Saleor-Schema-Version": "nonsense"}, len(EVENTS) - 1),
        ({}, len(EVENTS) - 1),
    ],
)
@pytest.mark.parametrize("path", ["/api/manifest", "/api/manifest/"])
def test_it_is_served_as_json_without_a_redirect(door, path, headers, count):
    answer = door.get(path, headers=headers)
    assert (answer.status_code, answer.mimetype, len(answer.json["webhooks"])) == (
        200,
        "application/json",
        count,
    )


def test_every_address_in_it_is_a_whole_one(door):
    told = door.get("/api/manifest").json
    addresses = [value for name, value in told.items() if name.lower().endswith("url")]
    assert [urlsplit(address).netloc for address in addresses] == ["herkend.example"] * 5
