"""What happens to people fires what a running Saleor fired, and leaves their orders as it did."""

import pytest

from sandbox.shop import Refusal


def fired(shop, app, act) -> list[str]:
    shop.deliveries.settle()
    app.heard.clear()
    act()
    shop.deliveries.settle()
    return sorted(app.names())


def test_every_action_on_a_person_fires_the_events_that_a_real_shop_fired(shop, app):
    steps = {
        "register": lambda: shop.register_account("jan@example.com"),
        "confirm": lambda: shop.confirm_account("jan@example.com"),
        "by staff": lambda: shop.create_customer("piet@example.com"),
        "tick": lambda: shop.set_confirmed("piet@example.com"),
        "rename": lambda: shop.rename("piet@example.com", first_name="Piet", last_name="Smit"),
        "e-mail": lambda: shop.change_email("piet@example.com", "Peter@example.com"),
        "block": lambda: shop.set_active("peter@example.com", active=False),
        "log in": lambda: shop.log_in("jan@example.com"),
        "own metadata": lambda: shop.write_own_metadata("jan@example.com", "a", "1"),
        "delete": lambda: shop.delete_customer("peter@example.com"),
        "delete himself": lambda: shop.delete_own_account("jan@example.com"),
    }

    assert {name: fired(shop, app, act) for name, act in steps.items()} == {
        "register": ["CUSTOMER_CREATED"],
        "confirm": ["ACCOUNT_CONFIRMED"],
        "by staff": ["CUSTOMER_CREATED"],
        "tick": ["CUSTOMER_UPDATED"],
        "rename": ["CUSTOMER_METADATA_UPDATED", "CUSTOMER_UPDATED"],
        "e-mail": ["CUSTOMER_UPDATED"],
        "block": ["CUSTOMER_UPDATED"],
        "log in": [],
        "own metadata": ["CUSTOMER_METADATA_UPDATED", "CUSTOMER_UPDATED"],
        "delete": ["CUSTOMER_DELETED"],
        "delete himself": ["ACCOUNT_DELETED"],
    }


def test_who_did_it_stands_in_the_event(shop, app):
    jan = shop.register_account("jan@example.com")
    shop.create_customer("piet@example.com")
    shop.write_own_metadata(jan, "a", "1")
    shop.deliveries.settle()

    created = {one["user"]["email"]: one["issuingPrincipal"] for one in app.bodies("CUSTOMER_CREATED")}
    assert created["jan@example.com"] is None
    assert created["piet@example.com"] == {
        "__typename": "User",
        "id": shop.staff.gid,
        "email": "staff@example.com",
    }
    assert app.bodies("CUSTOMER_UPDATED")[0]["issuingPrincipal"]["id"] == jan.gid


def test_a_deleted_customers_orders_keep_the_e_mail_lose_the_user_and_move_no_updated_at(shop, app):
    jan = shop.register_account("jan@example.com")
    order = shop.place_order(jan)

    shop.delete_customer(jan)

    after = shop.order(order)
    assert (after.user_id, after.user_email, after.updated_at) == (None, "jan@example.com", order.updated_at)
    shop.deliveries.settle()
    assert app.bodies("CUSTOMER_DELETED")[0]["user"]["email"] == "jan@example.com"


@pytest.mark.parametrize("merge", [True, False])
def test_confirming_joins_older_guest_orders_of_exactly_that_address_where_the_shop_does_so(make_shop, merge):
    shop = make_shop(merge_on_confirm=merge)
    same, typed = shop.place_order(email="jan@example.com"), shop.place_order(email="Jan@example.com")
    jan = shop.register_account("jan@example.com")

    shop.confirm_account(jan)

    assert shop.order(same).user_id == (jan.id if merge else None)
    assert shop.order(typed).user_id is None
    assert shop.order(same).updated_at == same.updated_at


def test_an_address_has_one_account(shop):
    shop.register_account("jan@example.com")

    with pytest.raises(Refusal):
        shop.register_account("JAN@example.com")
    with pytest.raises(Refusal):
        shop.change_email(shop.create_customer("piet@example.com"), "jan@example.com")


def test_history_that_is_played_silently_is_told_to_nobody(shop, app):
    with shop.silently():
        shop.place_order(shop.register_account("jan@example.com"))
    shop.deliveries.settle()

    assert (app.names(), len(shop.store.orders)) == ([], 1)
