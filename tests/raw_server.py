"""A server that says byte by byte what a test wants, sane or not, and counts who came."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

Say = Callable[[socket.socket], object]


class RawServer:
    """Reads each request up to the end of its headers and then lets `say` have the line; `requests` has what came."""

    def __init__(self, *, host: str, say: Say) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        self.requests: list[bytes] = []
        self._say = say
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with closing(line), suppress(OSError):
            while request := _request(line):
                self.requests.append(request)
                if self._say(line) is None:
                    return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _request(line: socket.socket) -> bytes:
    """Read one request without a body."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = line.recv(65536)
        if not piece:
            return b""
        request += piece
    return request


@contextmanager
def saying(say: Say | bytes, *, host: str = "127.0.0.1") -> Iterator[RawServer]:
    """Open such a server on a free port; one that says bytes keeps the line open for the next request."""
    server = RawServer(
        host=host, say=(lambda line: line.sendall(say) or True) if isinstance(say, bytes) else say
    )
    try:
        yield server
    finally:
        server.close()
