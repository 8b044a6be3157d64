"""Settings of one installation, read once from the environment into a frozen object."""

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from environs import Env, EnvValidationError
from marshmallow import ValidationError
from marshmallow.validate import Email, OneOf, Range

from plugin import keyfile
from plugin.errors import Invalid
from plugin.secret import Secret

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LONGEST_URL = 180  # Saleor takes 200 with /privacy behind it
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
LOCAL_FRAMERS = "https: http://localhost:* http://127.0.0.1:*"
MISSING = {
    "HERKEND_URL": "This is missing: the address under which browsers and shops reach this installation.",
    "HERKEND_KEYS": "This is missing: `herkend keys new` makes one; keep it as safe as the database.",
}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an operator can set; the README's table says what each is for."""

    url: str
    api_url: str
    host: str
    port: int
    data: Path
    database_url: Secret | None
    keys: tuple[Secret, ...]
    key_file: Path | None = None
    allow_networks: tuple[Network, ...]
    ca_file: Path | None = None
    allowed_shops: re.Pattern[str] | None
    frame_ancestors: str
    operator_name: str
    operator_email: str
    log_level: str
    log_format: str
    web_threads: int
    web_processes: int
    trusted_proxies: int
    metrics_token: Secret | None


def default_data_folder() -> Path:
    """Where the embedded database and the keys stand when HERKEND_DATA is not set.

    Root's own home is closed to the unprivileged user PostgreSQL runs as, so root gets one under /var/lib.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/herkend")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "herkend"


def read(*, make_keys: bool = True) -> Settings:
    """Read the settings; raise Invalid, a line for each that is missing or malformed, with its name.

    Where the keys are to stand in a file that is not there yet it is made, unless `make_keys` says otherwise.
    """
    env = _Environment(eager=False)
    values = _addresses(env) | _limits(env) | _words(env)
    data = env.path("HERKEND_DATA", default_data_folder())
    database_url = env.str("DATABASE_URL", "", validate=_check_database_url)
    keys = env.str("HERKEND_KEYS", validate=_check_keys, **({} if database_url else {"default": ""}))
    _seal(env)
    own_keys = keyfile.read_or_make if make_keys else keyfile.read_if_there
    data = data.expanduser().absolute()
    return Settings(
        data=data,
        database_url=Secret(database_url) if database_url else None,
        keys=tuple(Secret(key) for key in _listed(keys)) or own_keys(data),
        key_file=None if _listed(keys) else data / keyfile.NAME,
        **values,
    )


class _Environment(Env):
    """An empty value counts as none: that is how compose and unit files leave a setting out."""

    def _get_value(self, env_key: str, default: Any) -> Any:  # noqa: ANN401 - environs' own signature
        value = super()._get_value(env_key, default)
        return default if isinstance(value, str) and not value.strip() else value


def _addresses(env: Env) -> dict[str, Any]:
    host = env.str("HERKEND_HOST", "127.0.0.1")
    port = env.int("HERKEND_PORT", 8000, validate=Range(min=1, max=65535))
    own_url = {"default": f"http://{f'[{host}]' if ':' in host else host}:{port}"} if host in LOOPBACK else {}
    url = env.str("HERKEND_URL", validate=_check_url, **own_url) or ""
    api_url = env.str("HERKEND_API_URL", url, validate=_check_url) or ""
    framers = LOCAL_FRAMERS if host in LOOPBACK else "https:"
    return {
        "host": host,
        "port": port,
        "url": url.rstrip("/"),
        "api_url": api_url.rstrip("/"),
        "frame_ancestors": env.str("HERKEND_FRAME_ANCESTORS", framers, validate=_check_sources),
    }


def _limits(env: Env) -> dict[str, Any]:
    networks = env.str("HERKEND_ALLOW_NETWORKS", "", validate=_check_networks)
    ca_file = env.str("HERKEND_CA_FILE", "", validate=_check_ca_file)
    pattern = env.str("HERKEND_ALLOWED_SHOPS", "", validate=_check_pattern)
    token = env.str("HERKEND_METRICS_TOKEN", "", validate=_check_token)
    return {
        "allow_networks": tuple(ipaddress.ip_network(text) for text in _listed(networks)),
        "ca_file": Path(ca_file).absolute() if ca_file else None,
        "allowed_shops": re.compile(pattern) if pattern else None,
        "web_threads": env.int("HERKEND_WEB_THREADS", 32, validate=Range(min=1, max=256)),
        "web_processes": env.int("HERKEND_WEB_PROCESSES", 1, validate=Range(min=1, max=64)),
        "trusted_proxies": env.int("HERKEND_TRUSTED_PROXIES", 0, validate=Range(min=0, max=10)),
        "metrics_token": Secret(token) if token else None,
    }


def _words(env: Env) -> dict[str, Any]:
    return {
        "operator_name": env.str("HERKEND_OPERATOR_NAME", ""),
        "operator_email": env.str("HERKEND_OPERATOR_EMAIL", "", validate=Email()),
        "log_level": env.str("HERKEND_LOG_LEVEL", "info", validate=OneOf(LOG_LEVELS)),
        "log_format": env.str("HERKEND_LOG_FORMAT", "text", validate=OneOf(LOG_FORMATS)),
    }


def _seal(env: Env) -> None:
    try:
        env.seal()
    except EnvValidationError as error:
        problems: Mapping[str, list[str]] = error.error_messages  # type: ignore[assignment] # by name when sealed
        raise Invalid("\n".join(_problem(name, texts) for name, texts in problems.items())) from error


def _problem(name: str, texts: Sequence[str]) -> str:
    not_set = "Environment variable not set." in texts
    return f"{name}: {MISSING[name] if not_set else ' '.join(texts)}"


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _check_url(text: str) -> None:
    if len(text) > LONGEST_URL:
        raise ValidationError(
            f"This must be at most {LONGEST_URL} characters: Saleor takes no longer addresses."
        )
    try:
        parts = urlsplit(text)
        plain = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        plain = False
    if not plain or set(text) & set("?#@ \\"):
        raise ValidationError("This must be an http(s) address without name, query or fragment.")


def _check_database_url(text: str) -> None:
    if text.partition("://")[0] not in {"postgresql", "postgres"}:
        raise ValidationError("This must begin with postgresql:// (Herkend runs on PostgreSQL only).")


def _check_sources(text: str) -> None:
    if not re.fullmatch(r"[!-~]+( [!-~]+)*", text) or set(text) & set(",;"):
        raise ValidationError("This must be sources as in a Content-Security-Policy, with a space between.")


def _check_networks(text: str) -> None:
    for part in _listed(text):
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise ValidationError(f"{part!r} is no network like 10.0.0.0/8 or fd00::/8.") from error


def _check_ca_file(text: str) -> None:
    try:
        if text:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(text)
    except OSError as error:
        raise ValidationError(f"{text} is no readable file of certificates (PEM).") from error


def _check_pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise ValidationError(f"This is no regular expression: {error}.") from error


def _check_token(text: str) -> None:
    if text and not re.fullmatch(r"[!-~]{16,200}", text):
        raise ValidationError(
            "This must be 16 to 200 visible characters, such as `openssl rand -hex 32` prints."
        )


def _check_keys(text: str) -> None:
    for part in _listed(text):
        try:
            Fernet(part)
        except ValueError as error:
            raise ValidationError(
                "This holds something that is no key; `herkend keys new` makes one."
            ) from error
