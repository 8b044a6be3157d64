"""What the merchant is told of is said in English and in Dutch, and is short enough to be shown whole."""

from datetime import UTC, datetime

import pytest

from plugin.saleor.own_app import Subscription
from plugin.shops import manifest
from plugin.shops.problems import words
from plugin.shops.webhooks.rules import Change
from sandbox.problems import LONGEST_MESSAGE

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def made(event: str) -> Change:
    says = Subscription(
        name=f"{manifest.PREFIX}{event}",
        identifier=None,
        target_url="https://herkend.example/",
        query="",
        events=(event,),
        active=True,
    )
    return Change(id=None, before=None, after=says)


PROBLEMS = (
    words.of_permissions([*manifest.permissions(), "MANAGE_ANYTHING"])
    | words.of_webhooks([made(event) for event in manifest.event_names()])
    | words.of_failures({"1": [NOW] * words.MANY_UNDELIVERED}, now=NOW)
    | {
        f"{words.DEAD_LETTERS}.{many}": words.of_dead_letters(many)[words.DEAD_LETTERS]
        for many in words.MANY_DEAD
    }
)


def test_every_kind_of_problem_is_looked_at():
    assert {key.partition(".")[0] for key in PROBLEMS} == {
        words.PERMISSION.strip("."),
        words.WEBHOOKS,
        words.UNDELIVERED,
        words.DEAD_LETTERS,
    }


def test_every_permission_that_is_asked_for_has_its_own_words():
    assert manifest.permissions() == words.LOST.keys()


@pytest.mark.parametrize("message", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_is_told_in_english_then_in_dutch_and_fits_into_what_saleor_takes(message):
    english, _, dutch = message.partition(" \N{EM DASH} Nederlands: ")
    speaks_english, speaks_dutch = ({"the", "of"}, {"de", "van"})
    assert speaks_english & set(english.split()), english
    assert speaks_dutch & set(dutch.split()), dutch
    assert not speaks_english - {"of"} & set(dutch.split()), dutch
    assert len(message) <= LONGEST_MESSAGE
    assert "\n" not in message


def test_both_languages_name_the_same_webhooks():
    (message,) = words.of_webhooks([made("ORDER_PAID"), made("ORDER_CREATED")]).values()
    assert message.count("ORDER_CREATED, ORDER_PAID.") == 2
