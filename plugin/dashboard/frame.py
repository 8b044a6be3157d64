"""What all our pages share: the policy that guards them, the language, the theme, and where things stand."""

from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request

from plugin.dashboard import texts
from plugin.installation import Installation
from plugin.settings import Settings

THEMES = ("light", "dark")


def door(name: str, installation: Installation) -> Blueprint:
    """Return an empty set of routes whose answers are guarded and speak the reader's language."""
    settings = installation.settings
    opened = Blueprint(name, __name__, template_folder="templates")
    opened.record_once(lambda state: texts.add(cast("Flask", state.app)))
    opened.context_processor(lambda: _around(settings))
    opened.after_request(lambda answer: _guard(answer, settings=settings))
    return opened


def _guard(answer: Response, *, settings: Settings) -> Response:
    """Nothing but our own files runs in our pages, which Dashboards may frame; plugin.headers says the rest."""
    sources = ("script-src", "style-src", "img-src", "connect-src", "form-action")
    policy = ["default-src 'none'", *(f"{source} 'self'" for source in sources), "base-uri 'none'"]
    policy.append(f"frame-ancestors {settings.frame_ancestors}")
    answer.headers["Content-Security-Policy"] = "; ".join(policy)
    answer.vary.add("Accept-Language")
    return answer


def _around(settings: Settings) -> dict[str, Any]:
    prefix = urlsplit(settings.url).path.rstrip("/")
    return {
        "at": lambda path: prefix + path,
        "language": texts.language(request),
        "settings": settings,
        "theme": _theme(),
    }


def _theme() -> str | None:
    """Take the last of a repeated parameter: the Dashboard adds its own behind whatever a link brought along."""
    named = request.args.getlist("theme")
    return named[-1] if named and named[-1] in THEMES else None
