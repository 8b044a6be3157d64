"""A shop with a key of its own, and what a running Saleor really sent."""

from tests.dashboard.conftest import key, strangers_key  # noqa: F401 - fixtures
from tests.webhooks.conftest import deliveries, new_shop_key, other_key, saleor, shop_key  # noqa: F401 - fixtures
