"""What every answer tells a browser, whoever made it: our doors, Flask's own errors, a file, a path nobody knows."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from plugin.settings import Settings

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

A_YEAR = 365 * 24 * 60 * 60
NEVER_NEEDED = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def guarded(app: "WSGIApplication", *, settings: Settings) -> "WSGIApplication":
    """Return the application with these headers on its answers, except where an answer has its own word for one.

    There is no X-Frame-Options: the page lives in the Dashboard's frame, and says itself in whose.
    """
    usual = _usual(settings)

    @cache  # our doors say the same few names again and again, and deliveries come by the thousand
    def missing(said: tuple[str, ...]) -> list[tuple[str, str]]:
        lower = {name.lower() for name in said}
        return [(name, value) for name, value in usual.items() if name.lower() not in lower]

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None, /
        ) -> Callable[[bytes], object]:
            return start_response(status, headers + missing(tuple([name for name, _ in headers])), exc_info)

        return app(environ, start)

    return answer


def _usual(settings: Settings) -> dict[str, str]:
    """Return what an answer says that is for programs and personal; pages have another policy."""
    headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in NEVER_NEEDED),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if settings.url.startswith("https:"):
        headers["Strict-Transport-Security"] = f"max-age={A_YEAR}"
    return headers
