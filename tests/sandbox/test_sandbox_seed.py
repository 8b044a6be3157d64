"""The demo's past is always the same, plausible, skewed, quick to make, and told to nobody."""

from collections import Counter
from datetime import timedelta

from sandbox.seed import seed


def shape(shop):
    orders = sorted(shop.store.orders.values(), key=lambda one: one.number)
    people = [(one.email, one.is_confirmed) for one in shop.store.accounts.values()]
    return people, [(one.user_email, one.created, one.total, one.refunded, one.status) for one in orders]


def test_the_same_number_gives_the_same_past_and_another_number_another(make_shop):
    shops = [make_shop() for _ in range(3)]
    for shop, number in zip(shops, (1, 1, 2), strict=True):
        seed(shop, customers=60, number=number)

    assert shape(shops[0]) == shape(shops[1]) != shape(shops[2])


def test_two_thousand_people_are_made_and_look_like_customers(make_shop, clock):
    shop = make_shop()
    seed(shop)
    orders = list(shop.store.orders.values())
    turns = Counter(Counter(one.user_email.lower() for one in orders).values())
    back = sum(1 for one in orders if one.refunded or one.status == "CANCELED") / len(orders)
    accounts = [one for one in shop.store.accounts.values() if not one.is_staff]
    guests = {one.user_email.lower() for one in orders if one.user_id is None}

    assert 1900 <= len(accounts) + len(guests) <= 2100
    assert {one.is_confirmed for one in accounts} == {True, False}
    assert turns[1] > turns.total() / 2
    assert 0.05 < sum(n for times, n in turns.items() if times > 3) / turns.total() < 0.2
    assert 0.05 < back < 0.11
    assert timedelta(days=900) < clock() - min(one.created for one in orders) < timedelta(days=1100)
    assert max(one.updated_at for one in orders) <= clock() + timedelta(seconds=1)
    assert all(one.email.endswith(("@example.com", ".example")) for one in accounts)


def test_an_installed_app_hears_nothing_of_it(shop, app):
    seed(shop, customers=20)
    shop.deliveries.settle()

    assert app.names() == []


def test_progress_is_told(make_shop):
    told = []

    seed(make_shop(), customers=40, progress=lambda done, total: told.append((done, total)))

    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 40
