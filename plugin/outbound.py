"""The only way out: JSON over HTTP, to addresses that were checked, within bounded time and size."""

import json as codec
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests_hardened import Config, HTTPSession  # type: ignore[import-untyped] # it ships no types
from urllib3.connection import HTTPConnection, HTTPSConnection, port_by_scheme
from urllib3.util.ssl_ import create_urllib3_context

from plugin.clock import now
from plugin.errors import Permanent, Refused, Throttled, Transient
from plugin.gate import Gate, Network

HOSTS_KEPT = 64
CONNECTIONS_KEPT = 32
CHUNK = 64 * 1024
LONGEST_WAIT = 3600.0
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long (seconds) and how much (bytes) another server may keep us busy.

    `resolve` bounds the search for a name's addresses, `connect` and `read` each wait for the network; `patience`
    bounds connecting, waiting for the answer and reading it, each as a whole, so that a server which sends a byte now
    and then holds no thread for ever.
    """

    resolve: float = 5.0
    connect: float = 3.0
    read: float = 20.0
    patience: float = 60.0
    most_bytes: int = 16 * 1024 * 1024


STANDARD = Limits()


class Outbound:
    """Asks other servers; one object for the whole process, for any number of threads.

    The threads share one session and with it the pool of open connections, because a TLS handshake costs more
    than most answers. That is safe: nothing in the session changes after it was made (no cookies, no redirects,
    nothing from the environment, so no proxy and no .netrc), and urllib3's pools lock for themselves.
    """

    def __init__(
        self,
        *,
        allow_networks: Iterable[Network] = (),
        ca_file: Path | None = None,
        limits: Limits = STANDARD,
    ) -> None:
        """Take the networks that may be connected to beside public ones, and further authorities for TLS (PEM)."""
        self._limits = limits
        gate = Gate(allowed=tuple(allow_networks), resolve=limits.resolve, patience=limits.patience)
        self._session = _session(gate, ca_file=ca_file, limits=limits)

    def get_json(self, url: str, *, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the answer's JSON, fractions as Decimal; raise Transient, Permanent or Refused."""
        return self._ask("GET", url, headers=headers, body=None, also=())

    def post_json(
        self, url: str, *, json: object, headers: Mapping[str, str] | None = None, also: Collection[int] = ()
    ) -> Any:  # noqa: ANN401 - JSON is anything
        """Send JSON and return the answer's, as `get_json` does; `also` names further statuses worth reading."""
        headers = {**(headers or {}), "Content-Type": "application/json"}
        return self._ask("POST", url, headers=headers, body=codec.dumps(json).encode(), also=also)

    def close(self) -> None:
        """Let go of all connections."""
        self._session.close()

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        also: Collection[int],
    ) -> Any:  # noqa: ANN401 - JSON is anything
        host = _host(url)
        try:
            response = self._session.request(method, url, headers=headers, data=body, stream=True)
        except ValueError:  # raised without cause: the library's words may hold the query or a header
            raise Permanent(f"{host} cannot be asked: the address or a header is malformed.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(f"{host} could not be asked: {_why(error)}.") from None
        with response:
            _check_status(response, host=host, also=also)
            return _parsed(self._read(response, host=host), host=host)

    def _read(self, response: requests.Response, *, host: str) -> bytes:
        chunks: list[bytes] = []
        room = self._limits.most_bytes
        try:
            with _within(self._limits.patience, hang_up=response.raw.shutdown):
                while room >= 0 and (chunk := response.raw.read1(CHUNK, decode_content=True)):
                    chunks.append(chunk)
                    room -= len(chunk)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Transient(f"{host} broke off its answer: {_why(error)}.") from None
        if room < 0:
            raise Permanent(f"{host} answered with more than {self._limits.most_bytes} bytes.")
        return b"".join(chunks)


class _GatedConnection(HTTPConnection):
    """A connection whose socket comes through the gate, and which is hung up on when it takes too long."""

    gate: ClassVar[Gate]
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        try:
            opened = self.gate.open(self._dns_host, self.port, timeout=self.timeout)
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, "no connection") from error
        self._line = opened.dup()  # TLS takes the first one over, and this one reaches the same line
        return opened

    def connect(self) -> None:
        with _within(self.gate.patience, hang_up=self._hang_up):
            super().connect()

    def getresponse(self) -> urllib3.response.HTTPResponse:  # type: ignore[override] # as in urllib3 itself
        with _within(self.gate.patience, hang_up=self._hang_up):
            return super().getresponse()

    def close(self) -> None:
        super().close()
        if self._line:
            self._line.close()
            self._line = None

    def _hang_up(self) -> None:
        if self._line:
            self._line.shutdown(socket.SHUT_RDWR)


@contextmanager
def _within(seconds: float, *, hang_up: Callable[[], None]) -> Iterator[None]:
    """Hang up from another thread when the block takes longer; the block then sees its line broken."""

    def end() -> None:
        try:
            hang_up()
        except (OSError, ValueError):  # the line is down already, which is what was wanted
            return

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Adapter(HTTPAdapter):
    """Hands urllib3 the gated connections; no retries."""

    def __init__(self, gate: Gate, *, ca_file: Path | None) -> None:
        self._gate = gate
        self._ca_file = ca_file
        super().__init__(pool_connections=HOSTS_KEPT, pool_maxsize=CONNECTIONS_KEPT)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the library's own
        if self._ca_file:
            options["ssl_context"] = context = create_urllib3_context()
            context.load_verify_locations(self._ca_file)  # and the public authorities, which requests adds
        super().init_poolmanager(*args, **options)
        plain = type("Plain", (_GatedConnection,), {"gate": self._gate})
        tls = type("Tls", (_GatedConnection, HTTPSConnection), {"gate": self._gate})
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }


class _Session(HTTPSession):  # type: ignore[misc] # it ships no types
    """Never looks where a redirect leads: the library would read its whole body, however long, to find out."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the library's own
        return None


def _session(gate: Gate, *, ca_file: Path | None, limits: Limits) -> _Session:
    session = _Session(
        Config(
            ip_filter_enable=True,  # replaced below for both schemes
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=(limits.connect, limits.read),
            user_agent_override="Herkend",
        )
    )
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = _Adapter(gate, ca_file=ca_file)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _host(url: str) -> str:
    """Return the host to name in errors, and a port of its own; raise Permanent for what is no plain web address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme not in port_by_scheme or not host or "@" in parts.netloc or port == 0:
            raise Permanent("This is not an http(s) address that can be asked.")
    except ValueError:
        raise Permanent("This is not an http(s) address that can be asked.") from None
    if port in {None, port_by_scheme[parts.scheme]}:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_status(response: requests.Response, *, host: str, also: Collection[int]) -> None:
    status = response.status_code
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status in also:
        return
    words = f"{host} answered with status {status}"
    if status in REFUSED:
        raise Refused(f"{words}.")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled(f"{words}.", retry_after=_retry_after(response.headers))
    if status in AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Transient(f"{words}.", retry_after=_retry_after(response.headers))
    if status < HTTPStatus.BAD_REQUEST:
        raise Permanent(f"{words}: redirects are not followed.")
    raise Permanent(f"{words}.")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait where the server named them, as a number or as a date; an hour at most."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now()).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _parsed(raw: bytes, *, host: str) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return codec.loads(raw, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        raise Transient(f"{host} answered with something that is not JSON.") from None


def _no_number(_: str) -> None:
    raise ValueError


WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (urllib3.exceptions.NameResolutionError, "its name could not be resolved"),
    (ConnectionRefusedError, "nothing listens there"),
    (urllib3.exceptions.NewConnectionError, "no connection"),  # to urllib3 this is one of the next
    (urllib3.exceptions.TimeoutError, "no answer in time"),
    (requests.Timeout, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (urllib3.exceptions.SSLError, "no trustworthy TLS connection"),
    (requests.exceptions.SSLError, "no trustworthy TLS connection"),
    (urllib3.exceptions.DecodeError, "it could not be unpacked"),
)


def _why(error: BaseException) -> str:
    """Say what went wrong in our words: the libraries' own may hold the address with its query."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", None)
    chain = (error, inner, reason, getattr(reason, "__cause__", None))
    return next(
        (words for kind, words in WORDS for each in chain if isinstance(each, kind)), "the line broke"
    )
