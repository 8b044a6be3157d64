from importlib.resources import files
from itertools import product

import pytest
from graphql import parse, validate
from graphql.language import Visitor, visit

from plugin.saleor.client import operation
from plugin.saleor.history import DISPENSABLE, singly
from plugin.saleor.standings import Write, document
from webhooks import registry

FOLDER = files("plugin.saleor").joinpath("operations")
FILES = sorted(path.name.removesuffix(".graphql") for path in FOLDER.iterdir())
OPERATIONS = [name for name in FILES if not name.endswith(".fragment")]
FRAGMENTS = {"...OrderFacts": "order", "...AccountFacts": "account"}
BOTH = ("3.22", "3.23")

VALUES = ("set", None)
USERS = [
    Write(target_id="VXNlcjox", kind="user", public=public, private=private)
    for public, private in product(VALUES, VALUES)
]
ORDERS = [Write(target_id="T3JkZXI6MQ==", kind="order", public=None, private=private) for private in VALUES]
BATCHES = [*product(USERS + ORDERS), *product(USERS + ORDERS, repeat=2)]
CUTS = [frozenset(), DISPENSABLE, *(frozenset({field}) for field in sorted(DISPENSABLE))]


def whole(name):
    spreads = operation(name)
    return operation(name, *(fragment for spread, fragment in FRAGMENTS.items() if spread in spreads))


def problems(schemas, text, *, versions=BOTH):
    return [error.message for version in versions for error in validate(schemas[version], parse(text))]


def versions_of(name):
    return ("3.23",) if name.endswith(".3.23") else BOTH


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_valid_in_the_saleors_it_is_sent_to(schemas, name):
    assert problems(schemas, whole(name), versions=versions_of(name)) == []


@pytest.mark.parametrize("event", registry.EVENTS, ids=lambda event: event.key)
def test_every_subscription_is_valid_in_the_saleors_it_is_sent_to(schemas, event):
    versions = versions_of(event.document.removesuffix(".graphql"))

    assert problems(schemas, event.query, versions=versions) == []


def test_every_subscription_file_belongs_to_an_event():
    there = {path.name for path in files("webhooks.events").iterdir() if path.name.endswith(".graphql")}

    assert there == {event.document for event in registry.EVENTS}


def test_what_only_a_newer_saleor_knows_is_not_asked_of_an_older_one():
    newer = {event.key for event in registry.EVENTS if ".3.23." in event.document}

    assert newer == {event.key for event in registry.EVENTS if event.min_schema == (3, 23)}


def test_every_document_that_writes_standings_is_valid(schemas):
    assert {text: problems(schemas, text) for text in map(document, BATCHES)} == {
        document(batch): [] for batch in BATCHES
    }


def test_no_document_holds_more_than_four_mutations():
    assert max(len(parse(document(batch)).definitions[0].selection_set.selections) for batch in BATCHES) == 4


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: "+".join(sorted(cut)) or "nothing")
def test_orders_can_be_asked_for_without_any_dispensable_field(schemas, cut):
    text = singly(2, without=cut)

    assert (problems(schemas, text), fields_of_an_order(singly(1)) - fields_of_an_order(text)) == ([], cut)


def fields_of_an_order(text):
    fragment = parse(text).definitions[-1]
    return {selection.name.value for selection in fragment.selection_set.selections}


def test_metadata_is_never_asked_for_as_a_whole():
    texts = [whole(name) for name in OPERATIONS] + [event.query for event in registry.EVENTS]

    assert set().union(*map(all_fields, texts)) & {"metadata", "privateMetadata"} == set()


def all_fields(text):
    found = set()

    class Collecting(Visitor):
        def enter_field(self, node, *_):
            found.add(node.name.value)

    visit(parse(text), Collecting())
    return found
