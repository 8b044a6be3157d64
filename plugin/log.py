"""Log lines on stderr, as text for people or JSON for machines, and never a secret or a body in them."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from plugin.problem import written
from plugin.secret import Secret
from plugin.settings import Settings

CLOSED = frozenset(
    {"authorization", "auth_token", "body", "cookie", "key", "keys", "password", "secret", "token"}
)
TALKATIVE = ("alembic", "granian", "procrastinate", "urllib3", "werkzeug")


def configure(settings: Settings) -> None:
    """Send what this process logs, by structlog or by the standard library, through one pipe to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        close,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last(settings))
    )
    logging.captureWarnings(capture=True)
    logging.root.handlers = [handler]
    logging.root.setLevel(settings.log_level.upper())
    quiet = logging.DEBUG if settings.log_level == "debug" else logging.WARNING
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(quiet, logging.root.level))


def close(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    """Keep secrets and bodies out of a line: by type, by name, and what is raw bytes, at any depth."""
    for name, value in event.items():
        event[name] = _closed(name, value)
    return event


def _closed(name: str, value: Any) -> Any:  # noqa: ANN401 - anything can be logged
    if isinstance(value, Secret) or (name.lower() in CLOSED and value is not None):
        return "***"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, Mapping):
        return {str(key): _closed(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_closed("", inner) for inner in value]
    return value


def _print_exception(out: TextIO, info: structlog.typing.ExcInfo) -> None:
    out.write(written(info[1]))


def _last(settings: Settings) -> list[Processor]:
    # Plain tracebacks: the pretty ones show local variables, which hold bodies and tokens.
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if settings.log_format == "json":
        exceptions = structlog.processors.ExceptionRenderer(lambda info: written(info[1]))
        return [remove, exceptions, structlog.processors.JSONRenderer(default=str)]
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_print_exception)
    return [remove, console]
