"""What a shop checks before it installs an app; the words are Saleor's, as far as they are known."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLError

from sandbox import schema
from sandbox.words import LATER_PERMISSIONS, PERMISSIONS

LENGTHS = {"id": 256, "name": 60, "version": 60, "author": 60}
URLS = ("tokenTargetUrl", "appUrl", "homepageUrl", "supportUrl", "dataPrivacyUrl", "configurationUrl")
MOUNTS_3_22 = {
    "CUSTOMER_OVERVIEW_CREATE", "CUSTOMER_OVERVIEW_MORE_ACTIONS", "CUSTOMER_DETAILS_MORE_ACTIONS",
    "CUSTOMER_DETAILS_WIDGETS", "ORDER_DETAILS_MORE_ACTIONS", "ORDER_OVERVIEW_CREATE",
    "ORDER_OVERVIEW_MORE_ACTIONS", "ORDER_DETAILS_WIDGETS", "PRODUCT_OVERVIEW_CREATE",
    "PRODUCT_OVERVIEW_MORE_ACTIONS", "PRODUCT_DETAILS_MORE_ACTIONS", "PRODUCT_DETAILS_WIDGETS",
    "NAVIGATION_CATALOG", "NAVIGATION_ORDERS", "NAVIGATION_CUSTOMERS", "NAVIGATION_DISCOUNTS",
    "NAVIGATION_TRANSLATIONS", "NAVIGATION_PAGES",
}  # fmt: skip
TARGETS = {"POPUP", "APP_PAGE", "NEW_TAB", "WIDGET"}


class InstallFailed(Exception):
    """The app could not be installed; the text is what the merchant reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook of a manifest that passed: events in lower case."""

    name: str
    target_url: str
    query: str
    events: tuple[str, ...]
    is_active: bool
    identifier: str | None


def read(text: bytes) -> dict[str, Any]:
    """Parse what the app answered."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InstallFailed("Unknown error. Contact with app support.") from error
    if not isinstance(found, dict):
        raise InstallFailed("Unknown error. Contact with app support.")
    return found


def check(
    manifest: Mapping[str, Any], *, version: str, full_version: str, installed: Sequence[str]
) -> list[Hook]:
    """Return the webhooks of a manifest that this version accepts; raises `InstallFailed`.

    `installed` are the identifiers of the apps that are there.
    """
    problems = _shape(manifest, version=version)
    if problems:
        raise InstallFailed(", ".join(problems))
    problems += _required(manifest.get("requiredSaleorVersion"), full_version)
    problems += _permissions(manifest, version=version)
    if manifest["id"] in installed:
        problems.append(
            f"identifier: ['App with the same identifier is already installed: {manifest['name']}']"
        )
    if not problems:
        problems += _extensions(manifest, version=version)
        problems += _webhooks(manifest.get("webhooks") or (), version=version)
    if problems:
        raise InstallFailed(", ".join(problems))
    return [_hook(one, version=version) for one in manifest.get("webhooks") or ()]


def _shape(manifest: Mapping[str, Any], *, version: str) -> list[str]:
    needed = ["id", "name", "version"] + (["tokenTargetUrl"] if version == "3.22" else [])
    problems = [f"{name}: ['Field required']" for name in needed if not manifest.get(name)]
    for name, longest in LENGTHS.items():
        if len(str(manifest.get(name) or "")) > longest:
            problems.append(f"{name}: ['Ensure this value has at most {longest} characters.']")
    problems += [
        f"{name}: ['Incorrect value for field: {name}.']"
        for name in URLS
        if manifest.get(name) is not None and not _is_url(manifest[name])
    ]
    for hook in manifest.get("webhooks") or ():
        if not all(isinstance(hook.get(name), str) for name in ("name", "targetUrl", "query")):
            problems.append("webhooks: ['Field required']")
        elif not _is_url(hook["targetUrl"]) or len(hook["targetUrl"]) > 255:  # noqa: PLR2004 - Saleor's column
            problems.append("webhooks: ['Invalid target url.']")
    return problems


def _is_url(text: object) -> bool:
    parts = urlsplit(text) if isinstance(text, str) else None
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)


def known_permissions(version: str) -> dict[str, str]:
    """Return the permissions that this version has, with their names."""
    later = [LATER_PERMISSIONS[one] for one in LATER_PERMISSIONS if one <= version]
    return PERMISSIONS | {code: name for part in later for code, name in part.items()}


def _permissions(manifest: Mapping[str, Any], *, version: str) -> list[str]:
    asked = manifest.get("permissions") or ()
    if "MANAGE_APPS" in asked:
        return ["permissions: ['MANAGE_APPS permission cannot be granted to an app.']"]
    if any(code not in known_permissions(version) for code in asked):
        return ['permissions: ["Given permissions don\'t exist."]']
    return []


def _extensions(manifest: Mapping[str, Any], *, version: str) -> list[str]:
    problems = []
    for one in manifest.get("extensions") or ():
        url, target = str(one.get("url") or ""), str(one.get("target") or "POPUP").upper()
        relative = url.startswith("/") and bool(manifest.get("appUrl"))
        if not (relative or (_is_url(url) and target != "APP_PAGE")):
            problems.append("extensions: ['Incorrect value for field: url.']")
        if version == "3.22" and (one.get("mount") not in MOUNTS_3_22 or target not in TARGETS):
            problems.append("extensions: ['Incorrect value for field: mount.']")
        if not set(one.get("permissions") or ()) <= set(manifest.get("permissions") or ()):
            problems.append('extensions: ["Extension permission must be listed in App\'s permissions."]')
    return problems


def _webhooks(hooks: Sequence[Mapping[str, Any]], *, version: str) -> list[str]:
    problems, seen = [], set()
    known = schema.load(version).type_map["WebhookEventTypeAsyncEnum"].values  # type: ignore[attr-defined] # an enum
    for hook in hooks:
        if any(event not in known for event in hook.get("asyncEvents") or ()):
            problems.append("webhooks: ['Invalid asynchronous event.']")
        try:
            _events_of(hook, version=version)
        except GraphQLError as error:
            problems.append(f"webhooks: ['Subscription query is not valid: {error.message}']")
        identifier = (hook.get("identifier") or "").strip()
        if identifier and identifier in seen:
            problems.append(f"webhooks: ['Duplicate webhook identifier: {identifier}.']")
        seen.add(identifier)
    return problems


def _events_of(hook: Mapping[str, Any], *, version: str) -> tuple[str, ...]:
    """Return the events: as named, else those that the query has fragments for."""
    found = schema.events_of(version, hook["query"])
    return tuple(str(event).lower() for event in hook.get("asyncEvents") or ()) or found


def _hook(hook: Mapping[str, Any], *, version: str) -> Hook:
    return Hook(
        name=hook["name"],
        target_url=hook["targetUrl"],
        query=hook["query"],
        events=_events_of(hook, version=version),
        is_active=hook.get("isActive", True),
        identifier=(hook.get("identifier") or "").strip() or None if version != "3.22" else None,
    )


def _required(constraint: str | None, full_version: str) -> list[str]:
    if not constraint:
        return []
    try:
        fits = satisfied(constraint, full_version)
    except ValueError:
        return ["requiredSaleorVersion: ['Incorrect value for required Saleor version.']"]
    if fits:
        return []
    return [f"requiredSaleorVersion: ['Saleor version {full_version} is not supported by the app.']"]


def satisfied(constraint: str, version: str) -> bool:
    """Tell whether a version fits npm's kind of range, as far as comparisons and `||` go; raises `ValueError`."""
    have = _numbers(version)
    return any(all(_fits(part, have) for part in choice.split()) for choice in constraint.split("||"))


def _fits(part: str, have: tuple[int, ...]) -> bool:
    match = re.fullmatch(r"(>=|<=|>|<|=|)(\d+(?:\.\d+){0,2})", part)
    if match is None:
        raise ValueError(part)
    sign, want = match[1], _numbers(match[2])
    results = {">=": have >= want, "<=": have <= want, ">": have > want, "<": have < want}
    return results.get(sign, have == want)


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))
