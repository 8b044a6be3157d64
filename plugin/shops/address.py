"""A shop is known by the address of its API; this is the one way to write that address."""

import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from plugin.errors import Invalid

LONGEST = 255
NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/*")
DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=1024)
def canonical(url: str) -> str:
    """Return the address with scheme and host in lower case, no default port, and one slash at its end.

    Raises Invalid for what is no http(s) address, and for one with a name, query or fragment in it.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise Invalid("This is no address of a Saleor API.") from error
    if scheme not in DEFAULT_PORTS or not host or not _plain(url, host=host, path=parts.path):
        raise Invalid("This is no address of a Saleor API: it must look like https://shop.example/graphql/.")
    host = f"[{host}]" if ":" in host else host
    netloc = host if port in {None, DEFAULT_PORTS[scheme]} else f"{host}:{port}"
    return urlunsplit((scheme, netloc, parts.path.rstrip("/") + "/", "", ""))


def domain(api_url: str) -> str:
    """Return the part of a canonical address that people call the shop's domain."""
    return urlsplit(api_url).netloc


def _plain(url: str, *, host: str, path: str) -> bool:
    """Whether an address holds nothing that two programs could read in two ways."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or set(url) & set(" \\@?#%"):
        return False
    return bool(NAME.fullmatch(host) or ":" in host) and bool(PATH.fullmatch(path))
