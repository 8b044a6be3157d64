"""Servers that mean harm, over real sockets: what they say is bounded, and where they lead is never gone to."""

import gzip
import ipaddress
import socket
import ssl
import threading
import tracemalloc
from contextlib import suppress

import pytest

from plugin.errors import HerkendError, Permanent, Refused, Transient
from plugin.outbound import Limits, Outbound
from tests.raw_server import saying
from tests.test_outbound import EVERYTHING, LOOPBACK, certificate_for, resolving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SHORT = Limits(resolve=0.3, connect=0.3, read=0.7, patience=1.0, most_bytes=1000)


@pytest.fixture
def outbound():
    made = Outbound(allow_networks=LOOPBACK, limits=SHORT)
    yield made
    made.close()


@pytest.fixture
def public_only():
    made = Outbound(limits=SHORT)
    yield made
    made.close()


# Forms of addresses


@pytest.mark.parametrize(
    "host",
    [
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::1%25lo]",
        "[::1%lo]",
        "[fe80::1%25lo]",
        "[fe80::1%25eth0]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::127.0.0.1]",
        "[2002:7f00:1::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:a00:1::80ff:fffe]",
        "[fd00:ec2::254]",
        "[fd12:3456::1]",
        "[100::1]",
        "0.0.0.0",  # noqa: S104 - connected to, it is this machine
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0x7f.1",
        "127.0.1",
        "127.255.255.254",
        "\u2460\u2461\u2466.0.0.1",
        "127\u30020\u30020\u30021",
        "localhost.",
        "LOCALHOST",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
    ],
)
def test_no_way_to_write_an_address_leads_inside(public_only, host):
    with saying(OK) as v4, saying(OK, host="::1") as v6:
        for server in (v4, v6):
            with pytest.raises(HerkendError):
                public_only.get_json(f"http://{host}:{server.port}/")
        assert (v4.requests, v6.requests) == ([], [])


@pytest.mark.parametrize(
    "host",
    [
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[::ffff:168.63.129.16]",
        "[2002:a83f:8110::1]",
        "[64:ff9b::168.63.129.16]",
        "[::ffff:169.254.169.254]",
    ],
)
def test_where_clouds_keep_a_machines_secrets_is_refused_even_where_everything_is_allowed(host):
    with pytest.raises(Refused):
        Outbound(allow_networks=EVERYTHING, limits=SHORT).get_json(f"http://{host}/")


def test_an_allowed_ipv6_network_may_be_connected_to(outbound):
    with saying(OK, host="::1") as server:
        assert outbound.get_json(server.url) == {}


@pytest.mark.allow_hosts(["127.0.0.1", "::ffff:127.0.0.1"])
def test_an_ipv4_network_allows_the_same_addresses_in_the_guise_of_ipv6_and_no_others(outbound):
    with saying(OK) as server:
        assert outbound.get_json(f"http://[::ffff:127.0.0.1]:{server.port}/") == {}
    with pytest.raises(Refused):
        outbound.get_json("http://[::ffff:10.0.0.1]/")


# Names


def test_a_name_with_private_addresses_alone_is_refused_however_many(public_only, monkeypatch):
    resolving(monkeypatch, ["10.0.0.1", "127.0.0.1", "::1", "169.254.169.254", "fe80::1"])
    with saying(OK) as server, pytest.raises(Refused):
        public_only.get_json(f"http://shop.test:{server.port}/")
    assert server.requests == []


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_a_name_that_changes_at_every_look_up_is_judged_by_the_address_that_is_connected_to(monkeypatch):
    """The other way round a filter would look up twice: once to judge, once to connect."""
    only = Outbound(allow_networks=[ipaddress.ip_network("127.0.0.2/32")], limits=SHORT)
    turns = [["127.0.0.2"], ["127.0.0.1"]] * 5
    asked = resolving(monkeypatch, *turns)
    outcomes = []
    with saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}") as inside:
        for _ in turns:
            try:
                only.get_json(f"http://shop.test:{inside.port}/")
            except HerkendError as error:
                outcomes.append(type(error))
    only.close()
    # Nobody listens on 127.0.0.2: where it is allowed the line is refused, and 127.0.0.1 is never spoken to.
    assert (outcomes, inside.requests, len(asked)) == ([Transient, Refused] * 5, [], 10)


def test_an_open_line_to_one_name_is_not_lent_to_another(monkeypatch):
    only = Outbound(allow_networks=[ipaddress.ip_network("127.0.0.1/32")], limits=SHORT)
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    with saying(OK) as server:
        assert only.get_json(f"http://good.test:{server.port}/") == {}
        with pytest.raises(Refused):
            only.get_json(f"http://evil.test:{server.port}/")
        assert only.get_json(f"http://good.test:{server.port}/") == {}
    only.close()
    assert len(server.requests) == 2


def test_a_look_up_that_takes_too_long_is_left_to_itself(outbound, monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: let_go.wait(30) and [])
    with pytest.raises(Transient, match="its name could not be resolved"):
        outbound.get_json("http://shop.test/")
    assert [it.name for it in threading.enumerate()].count("resolver") == 1
    let_go.set()


# Redirects


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_no_redirect_leads_inside(outbound, status):
    with saying(OK) as inside:
        head = f"HTTP/1.1 {status} Go\r\nLocation: {inside.url}\r\nRefresh: 0; url={inside.url}\r\n"
        with (
            saying(f"{head}Content-Length: 2\r\n\r\n{{}}".encode()) as server,
            pytest.raises(Permanent, match="redirects are not followed"),
        ):
            outbound.get_json(server.url)
    assert inside.requests == []


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://x/", "//evil.test/", "\\\\evil", "http://[", ""]
)
def test_a_redirect_to_nonsense_is_the_same(outbound, location):
    answer = f"HTTP/1.1 302 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with saying(answer) as server, pytest.raises(Permanent, match="redirects are not followed"):
        outbound.get_json(server.url)


# Time


def test_a_port_that_never_accepts_is_given_up(outbound):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(8)]
        for line in waiting:
            line.setblocking(False)  # noqa: FBT003 - the library's own
            line.connect_ex(full.getsockname())
        with pytest.raises(Transient, match="no answer in time"):
            outbound.get_json(f"http://127.0.0.1:{full.getsockname()[1]}/")
        for line in waiting:
            line.close()


def endlessly(piece):
    def say(line):
        with suppress(OSError):
            while True:
                line.sendall(piece)

    return say


def beginning(start, piece):
    def say(line):
        line.sendall(start)
        endlessly(piece)(line)

    return say


@pytest.mark.parametrize(
    "say",
    [
        endlessly(b"HTTP/1.1 100 Continue\r\n\r\n"),
        endlessly(b"2" * 1000),
        endlessly(b"\r\n"),
        beginning(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        beginning(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000),
        beginning(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"F" * 1000),
        beginning(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x" * 1000),
        beginning(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=[
        "continues",
        "status",
        "empty lines",
        "headers",
        "header",
        "chunk size",
        "chunk extension",
        "trailers",
    ],
)
def test_what_has_no_end_is_given_up(outbound, say):
    with saying(say) as server, pytest.raises(HerkendError):
        outbound.get_json(server.url)


# Size


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    ],
    ids=["huge chunk", "negative chunk", "no chunk", "huge length", "two lengths", "too long a length"],
)
def test_an_answer_whose_length_is_a_lie_is_no_answer(outbound, answer):
    with saying(lambda line: line.sendall(answer)) as server, pytest.raises(HerkendError):
        outbound.get_json(server.url)


def test_what_comes_behind_an_answer_is_not_taken_for_the_next(outbound):
    with saying(OK + b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}') as server:
        first = outbound.get_json(server.url)
        try:
            second = outbound.get_json(server.url)
        except Transient:
            second = {}
    assert (first, second) == ({}, {})


def zeros(times):
    body = b" " * 10**8
    for _ in range(times):
        body = gzip.compress(body, 9)
    return body


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_bomb_is_not_unpacked_however_often_it_is_wrapped(outbound, times):
    body = zeros(times)
    encodings = ", ".join(["gzip"] * times)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encodings}\r\nContent-Length: {len(body)}\r\n\r\n"
    tracemalloc.start()
    with saying(head.encode() + body) as server, pytest.raises(HerkendError):
        outbound.get_json(server.url)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * 2**20


# TLS


@pytest.fixture
def tls(tmp_path):
    """A shop under TLS as shop.test, with a certificate that no public authority vouches for."""
    path = certificate_for("shop.test", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    def shake_hands(line):
        with context.wrap_socket(line.dup(), server_side=True) as wrapped:
            wrapped.recv(65536)
            wrapped.sendall(OK.replace(b"200 OK", b"200 OK\r\nConnection: close"))

    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with line, suppress(OSError):
                    shake_hands(line)

    threading.Thread(target=serve, daemon=True).start()
    yield path, listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def asked(port, *, name="shop.test", ca_file=None):
    outbound = Outbound(allow_networks=LOOPBACK, ca_file=ca_file, limits=SHORT)
    try:
        return outbound.get_json(f"https://{name}:{port}/")
    finally:
        outbound.close()


def test_a_certificate_nobody_vouches_for_is_not_trusted_whatever_the_environment_says(tls, monkeypatch):
    path, port = tls
    resolving(monkeypatch, ["127.0.0.1"])
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(path))
    with pytest.raises(Transient, match="no trustworthy TLS"):
        asked(port)


def test_an_authority_of_the_operators_own_is_trusted_for_its_names_and_no_others(tls, monkeypatch):
    path, port = tls
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
    assert asked(port, ca_file=path) == {}
    with pytest.raises(Transient, match="no trustworthy TLS"):
        asked(port, name="other.test", ca_file=path)


def test_an_authority_of_the_operators_own_comes_beside_the_public_ones(tls, monkeypatch, tmp_path):
    path, port = tls
    (tmp_path / "own").mkdir()
    own = certificate_for("elsewhere.test", tmp_path / "own")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(path))
    resolving(monkeypatch, ["127.0.0.1"])
    assert asked(port, ca_file=own) == {}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_no_proxy_of_the_environment_is_asked(outbound, monkeypatch, name):
    with saying(OK) as proxy, saying(OK) as server:
        monkeypatch.setenv(name, proxy.url)
        assert outbound.get_json(server.url) == {}
    assert (proxy.requests, len(server.requests)) == ([], 1)
