"""Apps are installed, switched and deleted as in a real shop, and refused for the same reasons."""

import json

import pytest

from sandbox.manifest import satisfied
from sandbox.server import running
from sandbox.shop import InstallFailed, Refusal
from tests.sandbox.sandbox_app import ask, fetch, serving, subscription


def test_the_shop_says_its_version_without_patch_and_hands_over_a_token_that_works_at_once(make_shop, app):
    shop = make_shop()
    tried = []

    def register(body, headers):
        query = json.dumps({"query": "{app{identifier}}"}).encode()
        bearer = {"Authorization": f"Bearer {body['auth_token']}"}
        tried.append(
            (headers["Saleor-Api-Url"], json.loads(fetch(shop.api_url, query, headers=bearer)[2])["data"])
        )

    app.on_register = register
    with running(shop):
        installed = shop.install(app.manifest_url)

    headers = app.heard[0][2]
    assert app.asked[0][1]["Saleor-Schema-Version"] == "3.23"
    assert tried == [(shop.api_url, {"app": {"identifier": "herkend"}})]
    assert (headers["Saleor-Domain"], headers["Saleor-Schema-Version"]) == (shop.domain, "3.23")
    assert (len(installed.token), len(installed.webhooks)) == (30, 19)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"permissions": ["MANAGE_EVERYTHING"]}, 'permissions: ["Given permissions don\'t exist."]'),
        (
            {"permissions": ["MANAGE_APPS"]},
            "permissions: ['MANAGE_APPS permission cannot be granted to an app.']",
        ),
        (
            {"requiredSaleorVersion": ">=3.24"},
            "requiredSaleorVersion: ['Saleor version 3.23.28 is not supported by the app.']",
        ),
        (
            {"requiredSaleorVersion": "new"},
            "requiredSaleorVersion: ['Incorrect value for required Saleor version.']",
        ),
        ({"name": "x" * 61}, "name: ['Ensure this value has at most 60 characters.']"),
        ({"id": None}, "id: ['Field required']"),
        ({"tokenTargetUrl": "/register"}, "tokenTargetUrl: ['Incorrect value for field: tokenTargetUrl.']"),
        (
            {"extensions": [{"label": "x", "url": "nowhere", "mount": "ORDER_DETAILS_WIDGETS"}]},
            "extensions: ['Incorrect value for field: url.']",
        ),
        (
            {
                "webhooks": [
                    {
                        "name": "x",
                        "targetUrl": "http://a.example/x",
                        "query": "subscription { event { ... on OrderCreated { order { loyalty } } } }",
                    }
                ]
            },
            "webhooks: ['Subscription query is not valid: Cannot query field 'loyalty' on type 'Order'.']",
        ),
        (
            {
                "webhooks": [
                    {
                        "name": "x",
                        "targetUrl": "http://a.example/x",
                        "asyncEvents": ["TEA_READY"],
                        "query": subscription("ORDER_CREATED"),
                    }
                ]
            },
            "webhooks: ['Invalid asynchronous event.']",
        ),
    ],
)
def test_a_manifest_that_saleor_refuses_is_refused_with_its_reason(make_shop, app, changes, said):
    app.manifest_changes = changes
    shop = make_shop()

    with running(shop), pytest.raises(InstallFailed) as failed:
        shop.install(app.manifest_url)

    assert str(failed.value) == said
    assert (shop.app, [path for path, _, _ in app.heard]) == (None, [])


def test_3_22_lacks_the_type_of_a_deleted_customer_and_two_mounts(make_shop, app):
    shop = make_shop(version="3.22")
    with running(shop):
        with pytest.raises(InstallFailed, match="Unknown type 'CustomerDeleted'"):
            shop.install(app.manifest_url)
        app.events = ("ORDER_CREATED",)
        app.manifest_changes = {"extensions": [{"label": "x", "url": "/x", "mount": "HOMEPAGE_WIDGETS"}]}
        with pytest.raises(InstallFailed, match="Incorrect value for field: mount"):
            shop.install(app.manifest_url)
        app.manifest_changes = {}
        shop.install(app.manifest_url)
    assert app.asked[-1][1]["Saleor-Schema-Version"] == "3.22"


def test_a_registration_that_the_app_refuses_fails_with_the_apps_own_words(make_shop, app):
    app.registering = (403, {"success": False, "error": {"code": "X", "message": "not this shop"}})
    shop = make_shop()

    with running(shop), pytest.raises(InstallFailed, match=r"^not this shop$"):
        shop.install(app.manifest_url)

    assert shop.app is None


@pytest.mark.parametrize(("answer", "passes"), [(204, True), (302, True), (500, False)])
def test_any_registration_below_400_counts_as_success(make_shop, app, answer, passes):
    app.registering = (answer, {})
    shop = make_shop()
    with running(shop):
        if passes:
            shop.install(app.manifest_url)
        else:
            with pytest.raises(InstallFailed, match=r"App internal error \(500\)"):
                shop.install(app.manifest_url)
    assert (shop.app is not None) is passes


def test_an_app_that_does_not_answer_cannot_be_installed(make_shop, app):
    with serving(type(app)()) as gone:
        url = gone.manifest_url
    with pytest.raises(InstallFailed, match="Failed to connect to app"):
        make_shop().install(url)


def test_the_same_identifier_is_not_installed_twice(shop, app):
    with pytest.raises(InstallFailed, match="App with the same identifier is already installed: Herkend"):
        shop.install(app.manifest_url)


def test_while_switched_off_the_app_hears_of_that_and_of_nothing_else(shop, app):
    shop.deactivate_app()
    shop.place_order(email="jan@example.com")
    shop.activate_app()
    shop.deliveries.settle()

    assert sorted(app.names()) == ["APP_STATUS_CHANGED", "APP_STATUS_CHANGED"]
    assert {one["app"]["isActive"] for one in app.bodies("APP_STATUS_CHANGED")} == {True, False}


def test_a_deleted_apps_token_is_dead_at_once_and_its_last_delivery_still_comes(shop, app):
    token, gid = shop.app.token, shop.app.gid

    shop.delete_app()
    shop.place_order(email="jan@example.com")
    shop.deliveries.settle()

    assert ask(shop, "{app{id}}", token=token)[1]["data"] == {"app": None}
    assert app.names() == ["APP_DELETED"]
    assert app.bodies("APP_DELETED")[0]["app"] == {"id": gid, "isActive": False}
    with pytest.raises(Refusal):
        shop.deactivate_app()


def test_reinstalling_gives_a_new_id_and_a_new_token(shop):
    before = shop.app

    after = shop.reinstall_app()

    assert (after.id, after.token == before.token) == (before.id + 1, False)


def test_3_22_never_tells_an_app_of_its_own_fate(make_shop, app):
    app.events = ("ORDER_CREATED", "APP_DELETED", "APP_STATUS_CHANGED")
    shop = make_shop(version="3.22")
    with running(shop):
        shop.install(app.manifest_url)
        shop.deactivate_app()
        shop.activate_app()
        shop.delete_app()
        shop.deliveries.settle()

    assert app.names() == []


def test_events_of_a_permission_not_held_are_silent_until_it_is_granted(shop, app):
    shop.grant("MANAGE_USERS")
    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()
    silent = app.names()
    shop.grant("MANAGE_ORDERS")
    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()

    assert (silent, sorted(app.names())) == ([], ["ORDER_CONFIRMED", "ORDER_CREATED"])


@pytest.mark.parametrize(
    ("version", "fits"),
    [("3.22.35", False), ("3.22.36", True), ("3.23.0", False), ("3.23.5", True), ("4.0.0", False)],
)
def test_ranges_of_versions_are_read_as_npm_reads_them(version, fits):
    assert satisfied(">=3.22.36 <3.23 || >=3.23.5 <4", version) is fits
