"""A shop that is served, with an app of a few lines installed in it."""

import pytest

from sandbox.server import running
from sandbox.shop import Shop
from tests.sandbox.sandbox_app import FakeApp, SetClock, serving


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def app():
    with serving(FakeApp()) as listening:
        yield listening


@pytest.fixture
def make_shop(clock):
    made = []

    def make(**settings) -> Shop:
        shop = Shop(**({"clock": clock, "retry_scale": 0.001, "delivery_timeout": 2} | settings))
        made.append(shop)
        return shop

    yield make
    for shop in made:
        shop.close()


@pytest.fixture
def shop(make_shop, app):
    """A served shop of 3.23 with the app installed."""
    made = make_shop()
    with running(made):
        made.install(app.manifest_url)
        yield made
