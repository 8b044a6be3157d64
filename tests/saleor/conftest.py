"""A shop's API that answers as told, and Saleor's own schemas and answers where they are at hand."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import pytest
import responses
from graphql import build_schema

from plugin.outbound import Outbound
from plugin.saleor.client import Saleor
from plugin.secret import Secret

API_URL = "https://shop.test/graphql/"
SHARED = Path(__file__).parents[3] / "shared" / "saleor"
VERSIONS = ("3.22", "3.23")
MISSING = "Saleor's schemas and captured answers are not here (../shared/saleor)."


@pytest.fixture(scope="session")
def schemas():
    if not SHARED.is_dir():
        pytest.skip(MISSING)
    return {
        version: build_schema((SHARED / f"schema-{version}.graphql").read_text(), assume_valid=True)
        for version in VERSIONS
    }


@pytest.fixture(scope="session")
def captured():
    """What a running Saleor answered, by the name of the question."""
    if not SHARED.is_dir():
        pytest.skip(MISSING)
    lines = (SHARED / "captures" / "graphql.jsonl").read_text().splitlines()
    return {row["name"]: row["response"] for row in map(json.loads, lines)}


@pytest.fixture(scope="session")
def deliveries():
    """The bodies of the webhooks that a running Saleor sent, fractions as Decimal."""
    if not SHARED.is_dir():
        pytest.skip(MISSING)
    lines = (SHARED / "captures" / "deliveries.jsonl").read_text().splitlines()
    bodies = (base64.b64decode(json.loads(line)["body_b64"]) for line in lines)
    return [json.loads(body, parse_float=Decimal) for body in bodies]


@pytest.fixture(scope="session")
def examples():
    """Orders as a running Saleor told them, with events and transactions, by number."""
    if not SHARED.is_dir():
        pytest.skip(MISSING)
    lines = (SHARED / "captures" / "orders_examples.jsonl").read_text().splitlines()
    return {row["number"]: row for row in (json.loads(line, parse_float=Decimal) for line in lines)}


class Shop:
    """What the shop answers next, and what it was asked."""

    def __init__(self, mock):
        self._mock = mock

    def answers(self, *bodies, status=200, **options):
        for body in bodies:
            self._mock.post(API_URL, json=body, status=status, **options)

    def gives_data(self, *datas):
        self.answers(*({"data": data} for data in datas))

    @property
    def asked(self):
        return [json.loads(call.request.body) for call in self._mock.calls]


@pytest.fixture
def mock():
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


@pytest.fixture
def shop(mock):
    return Shop(mock)


@pytest.fixture
def outbound():
    outbound = Outbound()
    yield outbound
    outbound.close()


@pytest.fixture
def saleor(outbound):
    return Saleor(api_url=API_URL, token=Secret("app-token"), outbound=outbound)


@pytest.fixture
def error():
    """Make one of the answer's `errors` as Saleor words them."""

    def make(*path, code="PermissionDenied", message="You do not have permission to perform this action"):
        return {
            "message": message,
            "locations": [{"line": 1, "column": 1}],
            "path": list(path),
            "extensions": {"exception": {"code": code}},
        }

    return make


@pytest.fixture
def an_order():
    """Make an order as the `OrderFacts` fragment tells it, with other values for some fields."""

    def make(which=1, /, **other):
        return {
            "id": f"T3JkZXI6{which}",
            "number": str(which),
            "status": "UNFULFILLED",
            "origin": "CHECKOUT",
            "created": "2026-03-01T10:00:00+00:00",
            "updatedAt": "2026-03-02T10:00:00+00:00",
            "channel": {"slug": "nl"},
            "user": {"id": "VXNlcjox", "email": "ada@example.com"},
            "userEmail": "Ada@Example.com",
            "languageCodeEnum": "NL",
            "total": {"gross": {"amount": 20.5, "currency": "EUR"}},
            "undiscountedTotal": {"gross": {"amount": 25}},
            "totalCharged": {"amount": 20.5},
            "totalRefunded": {"amount": 0.0},
            "voucherCode": None,
            "giftCards": [],
            "events": [{"type": "ORDER_FULLY_PAID", "date": "2026-03-01T11:00:00+00:00"}],
            "transactions": [],
            "lines": [{"quantity": 2, "productName": "Tee", "variantName": "M"}],
            **other,
        }

    return make


@pytest.fixture
def an_account():
    """Make an account as the `AccountFacts` fragment tells it, with other values for some fields."""

    def make(**other):
        return {
            "id": "VXNlcjox",
            "email": "ada@example.com",
            "isConfirmed": True,
            "isActive": True,
            "firstName": "Ada",
            "lastName": "Lab",
            "languageCode": "NL",
            "dateJoined": "2025-01-01T00:00:00+00:00",
            "updatedAt": "2026-01-01T00:00:00+00:00",
            **other,
        }

    return make
