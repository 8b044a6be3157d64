"""What Saleor reads once, when it installs us: who we are, what we ask for, and which events we want."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from plugin.installation import Installation
from plugin.saleor.own_app import IDENTIFIERS_SINCE
from plugin.settings import Settings
from webhooks.registry import EVENTS, Event

# Addresses that people's browsers open; what Saleor itself calls stands below the API address.
FOR_BROWSERS = ("appUrl", "homepageUrl", "supportUrl", "dataPrivacyUrl")
SCHEMA_HEADER = "Saleor-Schema-Version"
LONGEST_VERSION = 20
PREFIX = "Herkend "  # in front of the name of every webhook of ours


def blueprint(installation: Installation) -> Blueprint:
    """Answer Saleor's question for the manifest, each version with what it knows."""
    door = Blueprint("manifest", __name__)

    @door.get("/api/manifest", strict_slashes=False)
    def answer() -> ResponseReturnValue:
        version = schema_version(request.headers.get(SCHEMA_HEADER, ""))
        return jsonify(manifest(installation.settings, schema_version=version))

    return door


def manifest(settings: Settings, *, schema_version: tuple[int, int] | None) -> dict[str, Any]:
    """Return the manifest for a Saleor of that schema version; None is taken for the oldest we support."""
    told = _constants()
    told |= {name: settings.url + told[name] for name in FOR_BROWSERS}
    told["tokenTargetUrl"] = settings.api_url + told["tokenTargetUrl"]
    told["brand"]["logo"]["default"] = settings.api_url + told["brand"]["logo"]["default"]
    told["webhooks"] = webhooks(settings, schema_version=schema_version)
    return told


def webhooks(settings: Settings, *, schema_version: tuple[int, int] | None) -> list[dict[str, Any]]:
    """Return the webhooks for a Saleor of that schema version, as a manifest names them."""
    wanted = [event for event in EVENTS if event.in_manifest and event.known_to(schema_version)]
    named = schema_version is not None and schema_version >= IDENTIFIERS_SINCE[:2]
    return [_webhook(event, settings) | ({"identifier": event.key} if named else {}) for event in wanted]


def event_names() -> frozenset[str]:
    """Return the events that any version of Saleor is asked for."""
    return frozenset(event.name for event in EVENTS if event.in_manifest)


def permissions() -> frozenset[str]:
    """Return the permissions that we ask for, by Saleor's codes."""
    return frozenset(_constants()["permissions"])


def schema_version(header: str) -> tuple[int, int] | None:
    """Return the version a Saleor names ("3.23"), or None when it names none that can be understood."""
    parts = header.strip().split(".")
    if len(header) > LONGEST_VERSION or len(parts) < 2 or not all(_is_number(part) for part in parts[:2]):  # noqa: PLR2004
        return None
    return int(parts[0]), int(parts[1])


def identifier() -> str:
    """Return the name by which every shop knows this app."""
    return str(_constants()["id"])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _webhook(event: Event, settings: Settings) -> dict[str, Any]:
    """One webhook per event; it is known by its name, which never changes, and from 3.23.23 on by its identifier."""
    return {
        "name": PREFIX + event.name,
        "asyncEvents": [event.name],
        "query": event.query,
        "targetUrl": settings.api_url + event.route,
        "isActive": True,
    }


def _constants() -> dict[str, Any]:
    constants: dict[str, Any] = json.loads(_text())
    return constants


@cache
def _text() -> str:
    """Read manifest.json from the installed package, or from the repository of an editable one."""
    installed = files("plugin").joinpath("manifest.json")
    found = installed if installed.is_file() else Path(__file__).parents[2].joinpath("manifest.json")
    return found.read_text(encoding="utf-8")
