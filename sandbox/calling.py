"""How the shop calls apps: one plain HTTP request at a time, no redirects."""

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECT_SECONDS = 2.0
LARGEST = 4 * 1024 * 1024


class Unreachable(Exception):
    """No answer: refused, timed out, cut off, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """Return the body for a person to read."""
        return self.body.decode("utf-8", "replace")


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout: float = 18.0,
) -> Answer:
    """Send one request and return its answer; raises `Unreachable`."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=min(CONNECT_SECONDS, timeout))
        with closing(connection):
            connection.connect()
            _patient(connection.sock, timeout)
            connection.request(method, path, body=body, headers={"User-Agent": "Saleor", **headers})
            response = connection.getresponse()
            with closing(response):
                return Answer(response.status, response.read(LARGEST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error


def _patient(channel: socket.socket | None, timeout: float) -> None:
    if channel is not None:
        channel.settimeout(timeout)
