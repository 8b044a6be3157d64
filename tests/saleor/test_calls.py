import pytest

from plugin.errors import Refused, Transient
from plugin.saleor.calls import AppIdentity, ShopFacts, app_identity, jwks, shop_facts


def channel(currency, *, slug="other", is_active=True):
    return {"slug": slug, "currencyCode": currency, "isActive": is_active}


PLN, EUR, SHUT = channel("PLN", slug="default-channel"), channel("EUR"), channel("USD", is_active=False)


def test_the_token_says_whose_it_is(saleor, shop):
    shop.gives_data({"app": {"id": "QXBwOjE=", "identifier": "herkend"}})

    assert app_identity(saleor) == AppIdentity(id="QXBwOjE=", identifier="herkend")


def test_an_app_without_identifier_has_an_empty_one(saleor, shop):
    shop.gives_data({"app": {"id": "QXBwOjE=", "identifier": None}})

    assert app_identity(saleor) == AppIdentity(id="QXBwOjE=", identifier="")


def test_a_dead_token_is_refused(saleor, shop, error):
    shop.answers({"data": {"app": None}, "errors": [error("app")]})

    with pytest.raises(Refused):
        app_identity(saleor)


def test_a_token_of_nobody_is_refused(saleor, shop):
    shop.gives_data({"app": None})

    with pytest.raises(Refused):
        app_identity(saleor)


@pytest.mark.parametrize("data", [{}, {"app": {}}, {"app": {"id": 3}}, {"app": []}])
def test_an_identity_of_unknown_shape_is_waited_out(saleor, shop, data):
    shop.gives_data(data)

    with pytest.raises((Transient, Refused)):
        app_identity(saleor)


@pytest.mark.parametrize(
    ("channels", "currency"),
    [
        ([PLN, EUR, EUR, SHUT], "EUR"),
        ([EUR, PLN], "PLN"),
        ([channel("PLN"), EUR], "EUR"),
        ([SHUT], "USD"),
        ([], None),
        (None, None),
    ],
    ids=["most channels", "the first channel", "by alphabet", "none is open", "no channels", "not told"],
)
def test_the_main_currency_is_that_of_most_channels(saleor, shop, channels, currency):
    shop.gives_data({"shop": {"name": "Shop", "version": "3.23.28"}, "channels": channels})

    assert shop_facts(saleor) == ShopFacts(name="Shop", version="3.23.28", main_currency=currency)


def test_a_real_shop_says_its_name_and_version(saleor, shop, captured):
    answer = captured["shop"]
    shop.answers({"data": {**answer["data"], "channels": []}})

    assert shop_facts(saleor) == ShopFacts(name="Saleor e-commerce", version="3.23.28", main_currency=None)


def test_a_shop_of_unknown_shape_is_waited_out(saleor, shop):
    shop.gives_data({"shop": None, "channels": []})

    with pytest.raises(Transient):
        shop_facts(saleor)


def test_keys_are_fetched_from_the_origin_of_the_api_address(outbound, mock):
    mock.get("https://shop.test:8443/.well-known/jwks.json", json={"keys": [{"kid": "1"}]})

    assert jwks(outbound, "https://shop.test:8443/below/graphql/") == {"keys": [{"kid": "1"}]}


@pytest.mark.parametrize("body", [[], {}, {"keys": None}, "keys"])
def test_what_is_no_key_set_is_waited_out(outbound, mock, body):
    mock.get("https://shop.test/.well-known/jwks.json", json=body)

    with pytest.raises(Transient):
        jwks(outbound, "https://shop.test/graphql/")
