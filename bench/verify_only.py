"""The bar to measure against: the same server, the same check of the signature, and nothing else."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces

from webhooks.signature import check


class VerifyOnly:
    """A bare WSGI application: no routes, no envelope, no database."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        self._jwks = jwks

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer 202 to what the shop signed; anything else ends in a 500."""
        body = environ["wsgi.input"].read()
        check(body=body, signature=environ["HTTP_SALEOR_SIGNATURE"], jwks=self._jwks)
        answer = b'{"accepted":true}\n'
        start_response(
            "202 ACCEPTED", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        )
        return [answer]


if __name__ == "__main__":
    port, processes, threads, shop = sys.argv[1:]
    jwks = json.loads(json.loads(Path(shop).read_text())["jwks"])
    Granian(
        "bench",
        port=int(port),
        interface=Interfaces.WSGI,
        workers=int(processes),
        blocking_threads=int(threads),
        log_enabled=False,
    ).serve(target_loader=lambda: VerifyOnly(jwks), wrap_loader=False)
