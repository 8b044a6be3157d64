"""Every public route, as schemathesis asks it: no server error but "try again later", no traceback, and no row."""

import itertools
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address

import pytest
import schemathesis
from hypothesis import given, seed
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from sqlalchemy import func, inspect, select, table
from werkzeug.wsgi import ClosingIterator

from plugin.app import create_app
from tests.dashboard.conftest import register, shop  # noqa: F401 - fixtures
from tests.fuzz.for_a_while import SECONDS, careful
from tests.fuzz.test_fuzz_people import ADDRESSES
from webhooks.registry import EVENTS, Event

EXAMPLES = 2  # of each route, method and mode, a turn: by no more than one the time is gone over
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
ANSWERS = (200, 202, 204, 206, 301, 302, 304, 308, 400, 401, 403, 404, 405, 406, 413, 415, 416, 429, 503)
HEADERS = (
    "saleor-event",
    "saleor-signature",
    "saleor-schema-version",
    "authorization-bearer",
    "authorization",
)
HEADERS += ("accept-language", "range", "if-none-match", "x-forwarded-for", "traceparent", "content-type")
QUERY = ("userId", "email", "lang", "saleorApiUrl")


def document(app, *, methods: Sequence[str], events: Sequence[Event]) -> dict:
    """Describe every route by these methods, those of `events` among them, and what a stranger may put in a request."""
    paths = {event.route: [] for event in events}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        if not path.startswith("/api/webhooks/"):
            paths[path] = sorted(rule.arguments)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Herkend", "version": "1"},
        "paths": {
            path: {method: operation(names, method) for method in methods} for path, names in paths.items()
        },
    }


def operation(names: list[str], method: str) -> dict:
    text_ = {"type": "string"}
    given = [{"name": name, "in": "path", "required": True, "schema": text_} for name in names]
    given += [{"name": name, "in": "header", "schema": text_} for name in HEADERS]
    given += [{"name": name, "in": "query", "schema": text_} for name in QUERY]
    given += [{"name": "saleor-api-url", "in": "header", "schema": {"type": "string", "enum": ADDRESSES}}]
    body = {"content": {"application/json": {"schema": {"properties": {"auth_token": text_}}}}}
    return {
        "parameters": given,
        "responses": {str(code): {"description": "documented"} for code in ANSWERS},
    } | ({} if method in {"get", "head", "options"} else {"requestBody": body})


def strangers(app):
    """Have each request come from another address: there are limits on what one may get wrong."""
    addresses = itertools.count(int(ip_address("10.0.0.1")))

    def answer(environ, start_response):
        environ["REMOTE_ADDR"] = str(ip_address(next(addresses)))
        with closing(ClosingIterator(app(environ, start_response))) as body:
            return [b"".join(body)]

    return answer


@pytest.fixture
def rows(installation):
    def rows() -> dict[str, int]:
        with installation.db.begin() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
                for name in inspect(connection).get_table_names()
            }

    return rows


def turns(schema, modes: Sequence[GenerationMode], *, endless: bool) -> Iterator:
    """Yield every operation with every mode, in another order each round: the time may be over within one."""
    every = [(found.ok(), mode) for found in schema.get_all_operations() for mode in modes]
    while True:
        yield from random.SystemRandom().sample(every, len(every))
        if not endless:
            return


@pytest.mark.parametrize(
    ("methods", "events", "modes", "seconds"),
    [
        (("get", "post"), EVENTS[:1], [GenerationMode.NEGATIVE], 0),
        pytest.param(METHODS, EVENTS, list(GenerationMode), SECONDS, marks=pytest.mark.soak),
    ],
    ids=["few", "many"],
)
def test_no_route_fails_or_writes_a_row_for_a_stranger(  # noqa: PLR0917 - fixtures
    installation,
    shop,  # noqa: F811 - the fixture
    rows,
    methods,
    events,
    modes,
    seconds,
    record_property,
):
    app = create_app(installation)
    schema = schemathesis.openapi.from_dict(document(app, methods=methods, events=events))
    schema.app = strangers(app)
    before, tried, ends = rows(), 0, time.monotonic() + seconds

    def ask(case):
        nonlocal tried
        tried += 1
        answer = case.call()
        case.validate_response(answer, checks=CHECKS.get_by_names(["status_code_conformance"]))
        assert b"Traceback" not in answer.content

    for operation, mode in turns(schema, modes, endless=seconds > 0):
        number = random.SystemRandom().randrange(2**32)
        sys.stdout.write(f"seed {number}\n")
        seed(number)(careful(EXAMPLES)(given(case=operation.as_strategy(generation_mode=mode))(ask)))()
        if seconds and time.monotonic() >= ends:
            break
    assert rows() == before
    record_property("requests tried", tried)
