import errno
import gzip
import ipaddress
import socket
import ssl
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plugin.errors import HerkendError, Permanent, Refused, Throttled, Transient
from plugin.outbound import Limits, Outbound

LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
EVERYTHING = tuple(map(ipaddress.ip_network, ("0.0.0.0/0", "::/0")))


class Server(ThreadingHTTPServer):
    """Answers each path as told, and counts what came in."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = []
        self.lines = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.lines["opened"] += 1

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers), body))
        answer = self.server.answers[self.path]
        if callable(answer):
            answer(self)
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the library's own name

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def outbound():
    yield from made(LOOPBACK)


@pytest.fixture
def impatient():
    yield from made(LOOPBACK, limits=Limits(read=0.7, patience=1.0))


@pytest.fixture
def narrow():
    yield from made(LOOPBACK, limits=Limits(most_bytes=1000))


def made(networks, **options):
    outbound = Outbound(allow_networks=networks, **options)
    yield outbound
    outbound.close()


def test_json_goes_out_and_comes_back_with_exact_fractions(server, outbound):
    server.answers["/graphql/"] = (200, {}, b'{"amount": 0.1, "count": 2}')

    answer = outbound.post_json(
        f"{server.url}/graphql/", json={"q": "\N{EURO SIGN}"}, headers={"Authorization": "Bearer t"}
    )

    path, headers, body = server.requests[0]
    assert answer == {"amount": Decimal("0.1"), "count": 2}
    assert (path, body) == ("/graphql/", b'{"q": "\\u20ac"}')
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer t", "application/json")


def test_an_open_connection_is_used_again(server, outbound):
    server.answers["/"] = (200, {}, b"[]")

    for _ in range(5):
        outbound.get_json(f"{server.url}/")

    assert server.lines["opened"] == 1


def test_many_threads_share_one_outbound(server, outbound):
    for number in range(40):
        server.answers[f"/{number}"] = (200, {}, str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: outbound.get_json(f"{server.url}/{number}"), range(40)))

    assert answers == list(range(40))


def test_what_one_server_sets_as_a_cookie_is_not_sent_again(server, outbound):
    server.answers["/"] = (200, {"Set-Cookie": "session=1; Path=/"}, b"{}")

    outbound.get_json(f"{server.url}/")
    outbound.get_json(f"{server.url}/")

    assert ["Cookie" in headers for _, headers, _ in server.requests] == [False, False]


def test_proxies_and_netrc_of_the_environment_are_not_used(server, outbound, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers["/"] = (200, {}, b"{}")

    outbound.get_json(f"{server.url}/")

    assert "Authorization" not in server.requests[0][1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_never_followed(server, outbound, status):
    server.answers["/"] = (status, {"Location": "/elsewhere"}, b"{}")
    server.answers["/elsewhere"] = (200, {}, b"{}")

    with pytest.raises(Permanent, match="redirects are not followed"):
        outbound.get_json(f"{server.url}/")

    assert [path for path, _, _ in server.requests] == ["/"]


def test_the_endless_body_of_a_redirect_is_not_read(server, narrow):
    def endless(handler):
        handler.send_response(302)
        handler.send_header("Location", "/")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    server.answers["/"] = endless

    with pytest.raises(Permanent):
        narrow.get_json(f"{server.url}/")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Permanent), (404, Permanent), (401, Refused), (403, Refused)]
    + [(status, Transient) for status in (408, 425, 500, 502, 503, 504, 520)]
    + [(429, Throttled)],
)
def test_a_status_becomes_the_error_that_says_what_to_do(server, outbound, status, kind):
    server.answers["/"] = (status, {}, b'{"secret": 1}')

    with pytest.raises(HerkendError) as caught:
        outbound.get_json(f"{server.url}/")

    assert (type(caught.value), str(caught.value)) == (
        kind,
        f"{server.url[7:]} answered with status {status}.",
    )


def test_a_status_that_was_asked_for_is_read(server, outbound):
    server.answers["/"] = (400, {}, b'{"errors": []}')

    assert outbound.post_json(f"{server.url}/", json={}, also=(400,)) == {"errors": []}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999999", 3600.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("\u00b2", None),
    ],
)
def test_retry_after_in_seconds_is_told(server, outbound, text, seconds):
    server.answers["/"] = (429, {"Retry-After": text}, b"")

    with pytest.raises(Transient) as caught:
        outbound.get_json(f"{server.url}/")

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(90, 80, 90), (-90, 0, 0), (10**6, 3600, 3600)])
def test_retry_after_as_a_date_becomes_seconds(server, outbound, ahead, least, most):
    moment = datetime.now(tz=UTC) + timedelta(seconds=ahead)
    server.answers["/"] = (503, {"Retry-After": format_datetime(moment, usegmt=True)}, b"")

    with pytest.raises(Transient) as caught:
        outbound.get_json(f"{server.url}/")

    assert least <= caught.value.retry_after <= most


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"{", b'{"a": NaN}', b"[Infinity]", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5000,
     b"1e99999999999999999999999"],
    ids=["html", "empty", "cut", "nan", "infinity", "bytes", "deep", "long", "vast"],
)  # fmt: skip
def test_what_is_not_json_is_tried_again(server, outbound, body):
    server.answers["/"] = (200, {}, body)

    with pytest.raises(Transient, match="not JSON"):
        outbound.get_json(f"{server.url}/")


def test_an_answer_that_says_it_is_zipped_and_is_not_is_tried_again(server, outbound):
    server.answers["/"] = (200, {"Content-Encoding": "gzip"}, b"{}")

    with pytest.raises(Transient, match="could not be unpacked"):
        outbound.get_json(f"{server.url}/")


def test_a_zipped_answer_is_unpacked(server, outbound):
    server.answers["/"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"a": 1}' + b" " * 10**6))

    assert outbound.get_json(f"{server.url}/") == {"a": 1}


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "bomb"])
def test_an_answer_above_the_limit_is_given_up(server, narrow, headers):
    body = b" " * 10**7
    server.answers["/"] = (200, headers, gzip.compress(body) if headers else body)

    with pytest.raises(Permanent, match="more than 1000 bytes"):
        narrow.get_json(f"{server.url}/")


def test_an_answer_as_long_as_the_limit_is_read(server, narrow):
    server.answers["/"] = (200, {}, b"[" + b" " * 998 + b"]")

    assert narrow.get_json(f"{server.url}/") == []


def test_an_answer_that_stops_half_way_is_tried_again(server, outbound):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"a": 1}')
        handler.close_connection = True

    server.answers["/"] = half

    with pytest.raises(Transient, match="broke off"):
        outbound.get_json(f"{server.url}/")


def test_a_line_cut_before_any_answer_is_tried_again(server, outbound):
    server.answers["/"] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(Transient, match="the line broke"):
        outbound.get_json(f"{server.url}/")


def test_garbage_instead_of_http_is_tried_again(server, outbound):
    def garbage(handler):
        handler.wfile.write(b"\x00\x01garbage\r\n\r\n")
        handler.close_connection = True

    server.answers["/"] = garbage

    with pytest.raises(Transient):
        outbound.get_json(f"{server.url}/")


def test_a_server_that_does_not_answer_in_time_is_tried_again(server, impatient):
    server.answers["/"] = lambda _: time.sleep(2)

    with pytest.raises(Transient, match="no answer in time"):
        impatient.get_json(f"{server.url}/")


def dripping_headers(handler):
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.1)


def dripping_body(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    dripping_headers(handler)


def dripping_chunk_size(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b"0")
        time.sleep(0.1)


@pytest.mark.parametrize("drip", [dripping_headers, dripping_body, dripping_chunk_size])
def test_a_server_that_drips_is_hung_up_on(server, impatient, drip):
    server.answers["/"] = drip
    began = time.monotonic()

    with pytest.raises(Transient):
        impatient.get_json(f"{server.url}/")

    assert time.monotonic() - began < 6


def test_a_closed_port_is_tried_again(outbound):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    with pytest.raises(Transient) as caught:
        outbound.get_json(f"http://127.0.0.1:{port}/")

    assert str(caught.value) == f"127.0.0.1:{port} could not be asked: nothing listens there."


def test_where_no_way_leads_is_no_time_out(outbound, monkeypatch):
    def unreachable(*_, **__):
        raise OSError(errno.ENETUNREACH, "unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)

    with pytest.raises(Transient, match="could not be asked: no connection"):
        outbound.get_json("http://127.0.0.1/")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://shop.test/", "shop.test"),
        ("HTTP://shop.test:80/", "shop.test"),
        ("https://shop.test:443/", "shop.test"),
        ("https://shop.test:80/", "shop.test:80"),
        ("http://[::1]/", "::1"),
        ("http://[::1]:9/", "[::1]:9"),
    ],
)
def test_a_server_is_named_with_its_port_where_that_is_its_own(outbound, monkeypatch, url, named):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(Transient) as caught:
        outbound.get_json(url)

    assert str(caught.value) == f"{named} could not be asked: its name could not be resolved."


def test_something_that_speaks_no_tls_is_tried_again(server, outbound):
    with pytest.raises(Transient, match="no trustworthy TLS"):
        outbound.get_json(server.url.replace("http:", "https:"))


def test_a_name_that_resolves_to_nothing_is_tried_again(outbound, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(Transient, match="name could not be resolved"):
        outbound.get_json("http://shop.test/")


PRIVATE = [
    "127.0.0.1", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0",
    "224.0.0.1", "255.255.255.255", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "[::]",
    "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:db8::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_no_form_of_a_private_address_is_connected_to(server, host):
    with pytest.raises(Refused, match="HERKEND_ALLOW_NETWORKS"):
        Outbound().get_json(f"http://{host}:{server.server_port}/")

    assert server.lines["opened"] == 0


LINK_LOCAL = [
    "169.254.169.254", "2852039166", "[fe80::1]", "[::ffff:169.254.169.254]", "[::a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", LINK_LOCAL)
def test_link_local_addresses_are_refused_even_where_everything_is_allowed(host):
    with pytest.raises(Refused):
        Outbound(allow_networks=EVERYTHING).get_json(f"http://{host}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost"])
def test_an_allowed_network_may_be_connected_to(server, outbound, host):
    server.answers["/"] = (200, {}, b"{}")

    assert outbound.get_json(f"http://{host}:{server.server_port}/") == {}


def test_only_the_allowed_network_opens_and_no_other(server):
    outbound = Outbound(allow_networks=[ipaddress.ip_network("10.0.0.0/8")])

    with pytest.raises(Refused):
        outbound.get_json(f"{server.url}/")


def resolving(monkeypatch, *rounds):
    """Make every name resolve to the next of these, and count the look-ups."""
    asked = []
    answers = iter(rounds)

    def look_up(host, port, **_):
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                0,
                "",
                (address, port),
            )
            for address in next(answers)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_the_address_that_was_checked_is_the_one_connected_to(server, monkeypatch):
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    server.answers["/"] = (200, {}, b"{}")
    outbound = Outbound(allow_networks=[ipaddress.ip_network("127.0.0.1/32")])

    outbound.get_json(f"http://shop.test:{server.server_port}/")

    assert (asked, server.requests[0][1]["Host"]) == (["shop.test"], f"shop.test:{server.server_port}")
    outbound.close()


def test_a_name_that_turns_private_on_the_second_look_up_is_refused_then(server, monkeypatch):
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    server.answers["/"] = (200, {"Connection": "close"}, b"{}")
    outbound = Outbound(allow_networks=[ipaddress.ip_network("127.0.0.1/32")])
    outbound.get_json(f"http://shop.test:{server.server_port}/")

    with pytest.raises(Refused):
        outbound.get_json(f"http://shop.test:{server.server_port}/")

    outbound.close()


def test_of_several_addresses_the_forbidden_are_passed_over_and_the_dead_are_not_the_end(
    server, outbound, monkeypatch
):
    resolving(monkeypatch, ["10.0.0.1", "::1", "127.0.0.1"])
    server.answers["/"] = (200, {}, b"{}")

    assert outbound.get_json(f"http://shop.test:{server.server_port}/") == {}


@pytest.mark.parametrize(
    "url",
    ["ftp://shop.test/", "file:///etc/passwd", "shop.test", "http://", "http://me:secret@shop.test/", "http://[::1/",
     "http://shop.test:99999/", "http://shop.test:0/", "http://shop.test:x/", "http://..test/", "http://.test/", ""],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_for_a_person(url):
    with pytest.raises(Permanent) as caught:
        Outbound().get_json(url)

    assert "secret" not in str(caught.value)


HIDDEN = "hid" + "den"  # so that the lines of this file, shown in a traceback, do not hold the word


def test_a_header_that_cannot_be_sent_is_for_a_person_and_not_shown(server, outbound):
    with pytest.raises(Permanent) as caught:
        outbound.get_json(f"{server.url}/", headers={"Authorization": f"Bearer {HIDDEN}\nvalue"})

    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


def test_errors_show_neither_query_nor_token_nor_body(server, outbound):
    server.answers[f"/?code={HIDDEN}"] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(Transient) as caught:
        outbound.post_json(
            f"{server.url}/?code={HIDDEN}", json=[HIDDEN], headers={"Authorization": f"Bearer {HIDDEN}"}
        )

    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


def certificate_for(name, folder):
    """Write a certificate that vouches for itself under this name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.now(tz=UTC)
    draft = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    draft = draft.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    draft = draft.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    path = folder / "certificate.pem"
    path.write_bytes(
        draft.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
def tls_server(server, tmp_path, monkeypatch):
    """The server under TLS as shop.test, trusted; it notes the names it is asked for."""
    path = certificate_for("shop.test", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.names = []
    context.sni_callback = lambda _, name, __: server.names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(path))
    return server


def test_tls_is_checked_under_the_name_though_the_address_was_resolved_before(
    tls_server, outbound, monkeypatch
):
    resolving(monkeypatch, ["127.0.0.1"])
    tls_server.answers["/"] = (200, {}, b"{}")

    for _ in range(2):
        outbound.get_json(f"https://shop.test:{tls_server.server_port}/")

    assert (tls_server.names, tls_server.lines["opened"]) == (["shop.test"], 1)


def test_a_certificate_for_another_name_is_not_trusted(tls_server, outbound, monkeypatch):
    resolving(monkeypatch, ["127.0.0.1"])

    with pytest.raises(Transient, match="no trustworthy TLS connection"):
        outbound.get_json(f"https://other.test:{tls_server.server_port}/")


@pytest.mark.parametrize("drip", [dripping_headers, dripping_body, dripping_chunk_size])
def test_a_server_that_drips_under_tls_is_hung_up_on(tls_server, impatient, monkeypatch, drip):
    resolving(monkeypatch, ["127.0.0.1"])
    tls_server.answers["/"] = drip
    began = time.monotonic()

    with pytest.raises(Transient):
        impatient.get_json(f"https://shop.test:{tls_server.server_port}/")

    assert time.monotonic() - began < 6


def test_a_server_that_never_ends_the_tls_handshake_is_hung_up_on(impatient):
    def drip(listener):
        line, _ = listener.accept()
        with line:
            try:
                for _ in range(100):
                    line.sendall(b"\x16")
                    time.sleep(0.1)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        began = time.monotonic()
        with pytest.raises(Transient):
            impatient.get_json(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        took = time.monotonic() - began
        thread.join()

    assert took < 6
