"""Makes as many separately signed deliveries as a run sends, out of one that a running Saleor really sent.

A folder holds `template` (the body with ~ where the variation's ten digits go), `head` (the request's head with ~
where its signature goes), `signatures-K` for each sending thread K (a signature a line, all of one length), and
`shop.json`, the shop as the SDK keeps it, with the public half of the key that signed.
"""

import base64
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

CAPTURES = Path(__file__).parents[2] / "shared" / "saleor" / "captures" / "deliveries.jsonl"
EVENT = "order_created"
ROUTE = "/api/webhooks/order-created"
API_URL = "http://127.0.0.1:9/graphql/"
APP_ID = "QXBwOjE="
KID = "bench"
CHUNK = 2000
MARK = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variations:
    """Where they are, and how many lines each thread's file has."""

    folder: Path
    threads: int
    lines: int
    jwks: Mapping[str, Any]

    def one(self, thread: int, line: int) -> tuple[bytes, str]:
        """Return body and signature of one variation."""
        with (self.folder / f"signatures-{thread}").open() as file:
            length = len(file.readline())
            file.seek(line * length)
            signature = file.readline().strip()
        return _body((self.folder / "template").read_text(), thread, line), signature


def found(folder: Path, *, threads: int) -> Variations | None:
    """Return what an earlier run signed there; each run has a database of its own, to which nothing is a repetition."""
    signatures = folder / f"signatures-{threads - 1}"
    if not signatures.exists():
        return None
    with signatures.open() as file:
        lines = signatures.stat().st_size // len(file.readline())
    jwks = json.loads(json.loads((folder / "shop.json").read_text())["jwks"])
    return Variations(folder=folder, threads=threads, lines=lines, jwks=jwks)


def make(folder: Path, *, threads: int, lines: int) -> Variations:
    """Sign `lines` variations for each thread with a key made for this run; takes all cores."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwks = {
        "keys": [
            {
                **RSAAlgorithm.to_jwk(private.public_key(), as_dict=True),
                "use": "sig",
                "alg": "RS256",
                "kid": KID,
            }
        ]
    }
    captured = next(row for row in map(json.loads, CAPTURES.open()) if row["event"] == EVENT)
    template = _template(base64.b64decode(captured["body_b64"]).decode())
    (folder / "template").write_text(template)
    (folder / "head").write_text(_head(captured["headers"]))
    shop = {"saleorApiUrl": API_URL, "appId": APP_ID, "token": "none", "jwks": json.dumps(jwks)}
    (folder / "shop.json").write_text(json.dumps(shop))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    starts = range(0, lines, CHUNK)
    with ProcessPoolExecutor() as pool:
        for thread in range(threads):
            with (folder / f"signatures-{thread}").open("w") as file:
                file.writelines(pool.map(partial(_sign, pem, template, thread), starts))
    return Variations(folder=folder, threads=threads, lines=len(starts) * CHUNK, jwks=jwks)


def _template(body: str) -> str:
    """Make every variation another order of another customer."""
    told = json.loads(body)
    order = told["order"]
    order["id"], order["number"] = f"T3JkZXI6{MARK}", MARK
    order["user"]["id"], order["user"]["email"] = f"VXNlcjox{MARK}", f"c{MARK}@example.com"
    order["userEmail"] = f"c{MARK}@example.com"
    return json.dumps(told)


def _head(headers: Mapping[str, str]) -> str:
    sent = {
        **headers,
        "Host": "127.0.0.1",
        "Saleor-Api-Url": API_URL,
        "Saleor-Signature": MARK,
        "X-Saleor-Signature": MARK,
    }
    del sent["Content-Length"]
    return f"POST {ROUTE} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent.items())


def _body(template: str, thread: int, line: int) -> bytes:
    return template.replace(MARK, f"{thread + 1}{line:09}").encode()


def _sign(pem: bytes, template: str, thread: int, start: int) -> str:
    private = cast("rsa.RSAPrivateKey", load_pem_private_key(pem, None))
    header = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": KID, "typ": "JWT"}
    head = base64.urlsafe_b64encode(json.dumps(header, separators=(",", ":")).encode()).rstrip(b"=")
    return "".join(
        f"{head.decode()}..{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}\n"
        for line in range(start, start + CHUNK)
        for mac in [
            private.sign(head + b"." + _body(template, thread, line), padding.PKCS1v15(), hashes.SHA256())
        ]
    )
