"""What happens to apps: installed from their manifest, switched off and on, deleted, installed anew."""

import json
import secrets
import string
import time
from dataclasses import replace
from typing import Any

from sandbox import manifest as manifests
from sandbox import problems
from sandbox.calling import Answer, Unreachable, call
from sandbox.manifest import InstallFailed
from sandbox.model import App, Refusal, Webhook
from sandbox.signing import STAFF_PERMISSIONS
from sandbox.state import State

LETTERS = string.ascii_letters + string.digits


class AppActions(State):
    """The part of a shop that deals with apps."""

    @property
    def app(self) -> App | None:
        """Return the app that is installed: the latest, if there are several."""
        with self.store.lock:
            there = [one for one in self.store.apps.values() if not one.removed]
        return max(there, key=lambda one: one.id, default=None)

    def fetch_manifest(self, manifest_url: str) -> dict[str, Any]:
        """Ask the app for its manifest, telling it this shop's version; raises `InstallFailed`."""
        headers = {"Saleor-Schema-Version": self.version, "Accept": "*/*"}
        return manifests.read(_fine(_asked("GET", manifest_url, headers=headers)).body)

    def install(self, manifest_url: str, *, activate: bool = True) -> App:
        """Install an app as staff does from the Dashboard, granting all it asks for; raises `InstallFailed`.

        The token works before the app answers the registration, so that it can try it.
        """
        manifest = self.fetch_manifest(manifest_url)
        with self.store.lock:
            there = [one.identifier for one in self.store.apps.values() if not one.removed]
        hooks = manifests.check(
            manifest, version=self.version, full_version=self.full_version, installed=there
        )
        app = self._created(manifest, manifest_url, hooks, activate=activate)
        try:
            if manifest.get("tokenTargetUrl"):
                _registered(self._hand_over(manifest["tokenTargetUrl"], app.token))
        except InstallFailed:
            self.store.remove(app)
            raise
        return app

    def _created(
        self, manifest: dict[str, Any], manifest_url: str, hooks: list[manifests.Hook], *, activate: bool
    ) -> App:
        with self.store.writing():
            app = App(
                id=self.store.next("app"),
                identifier=manifest["id"],
                name=manifest["name"],
                version=manifest["version"],
                token="".join(secrets.choice(LETTERS) for _ in range(30)),
                permissions=tuple(manifest.get("permissions") or ()),
                webhooks=tuple(self._webhook(one) for one in hooks),
                manifest_url=manifest_url,
                app_url=manifest.get("appUrl") or "",
                created=self.now(),
                is_active=activate,
                about_app=manifest.get("about"),
                author=manifest.get("author"),
                homepage_url=manifest.get("homepageUrl"),
                support_url=manifest.get("supportUrl"),
                data_privacy_url=manifest.get("dataPrivacyUrl"),
            )
            self.store.put(app)
        return app

    def _webhook(self, hook: manifests.Hook) -> Webhook:
        return Webhook(
            id=self.store.next("webhook"),
            name=hook.name,
            target_url=hook.target_url,
            query=hook.query,
            events=hook.events,
            is_active=hook.is_active,
            identifier=hook.identifier if self.knows_identifiers else None,
        )

    def _hand_over(self, url: str, token: str) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "X-Saleor-Domain": self.domain,
            "Saleor-Domain": self.domain,
            "Saleor-Api-Url": self.api_url,
            "Saleor-Schema-Version": self.version,
        }
        return _asked("POST", url, headers=headers, body=json.dumps({"auth_token": token}).encode())

    def deactivate_app(self) -> App:
        """Switch the app off: its token stops, and nothing is told to it any more but this."""
        return self._switched(active=False)

    def activate_app(self) -> App:
        """Switch the app on again; what happened meanwhile was never kept for it."""
        return self._switched(active=True)

    def _switched(self, *, active: bool) -> App:
        with self._acting():
            app = replace(self._there(), is_active=active)
            self.store.put(app)
            self.fire("APP_STATUS_CHANGED", subject=app, principal=self.staff)
        return app

    def grant(self, *permissions: str) -> App:
        """Let staff set what the app may do; the token stays, silent webhooks begin or fall silent."""
        with self._acting():
            app = replace(self._there(), permissions=permissions)
            self.store.put(app)
        return app

    def change_webhook(self, name: str, **changes: Any) -> Webhook:  # noqa: ANN401 - Webhook's own fields
        """Let staff change a webhook of the app, by its name: `is_active`, `query`, `target_url` and so on."""
        with self._acting():
            app = self._there()
            hook = replace(self.webhook(name), **changes)
            self.store.put(
                replace(app, webhooks=tuple(hook if one.id == hook.id else one for one in app.webhooks))
            )
        return hook

    def delete_webhook(self, name: str) -> None:
        """Let staff delete a webhook of the app."""
        with self._acting():
            app, gone = self._there(), self.webhook(name)
            self.store.put(replace(app, webhooks=tuple(one for one in app.webhooks if one.id != gone.id)))

    def add_webhook(self, like: Webhook, **changes: Any) -> Webhook:  # noqa: ANN401 - Webhook's own fields
        """Let staff make one more webhook for the app: like another, with changes."""
        with self._acting():
            app = self._there()
            hook = replace(like, **{"id": self.store.next("webhook"), "identifier": None, **changes})
            self.store.put(replace(app, webhooks=(*app.webhooks, hook)))
        return hook

    def webhook(self, name: str) -> Webhook:
        """Return the app's first webhook of that name; raises `Refusal`."""
        found = next((one for one in self._there().webhooks if one.name == name), None)
        if found is None:
            raise Refusal(f"there is no webhook {name}")
        return found

    def problems(self) -> dict[str, str]:
        """Return what staff sees of the app's problems: those not dismissed, message by key."""
        return {one.key: one.message for one in self._there().problems if one.dismissed_by is None}

    def dismiss_problem(self, key: str) -> None:
        """Let staff dismiss a problem of the app."""
        with self._acting():
            app = self._there()
            self.store.put(replace(app, problems=problems.dismissed(app.problems, keys={key}, by="USER")))

    def delete_app(self) -> App:
        """Uninstall: the token is dead at once, APP_DELETED still comes, signed."""
        with self._acting():
            app = replace(self._there(), is_active=False, removed=True)
            self.store.put(app)
            self.fire("APP_DELETED", subject=app, principal=self.staff)
        return app

    def reinstall_app(self) -> App:
        """Delete the app, let it hear of it, and install it again: a new id and a new token."""
        url = self.delete_app().manifest_url
        self.deliveries.settle()
        return self.install(url)

    def _there(self) -> App:
        if self.app is None:
            raise Refusal("no app is installed")
        return self.app

    def staff_token(
        self, *, permissions: tuple[str, ...] | None = None, user_permissions: tuple[str, ...] | None = None
    ) -> str:
        """Return the token that the Dashboard hands to the app's page, for the shop's member of staff."""
        app = self._there()
        return self.signer.staff_token(
            issuer=self.api_url,
            app_id=app.gid,
            user_id=self.staff.gid,
            email=self.staff.email,
            now=self.now(),
            app_permissions=app.permissions if permissions is None else permissions,
            user_permissions=STAFF_PERMISSIONS if user_permissions is None else user_permissions,
        )


def _asked(method: str, url: str, *, headers: dict[str, str], body: bytes | None = None) -> Answer:
    for attempt in range(3 if method == "GET" else 1):
        try:
            return call(method, url, headers=headers, body=body)
        except Unreachable as error:
            failure = error
            time.sleep(0.05 * attempt)
    raise InstallFailed("Failed to connect to app. Try later or contact with app support.") from failure


def _fine(answer: Answer) -> Answer:
    if answer.status >= 400:  # noqa: PLR2004 - HTTP: a redirect passes, as in Saleor
        raise InstallFailed(f"App internal error ({answer.status}). Try later or contact with app support.")
    return answer


def _registered(answer: Answer) -> None:
    """Take any status below 400 for success, as Saleor does; else show the app's own words."""
    if answer.status < 400:  # noqa: PLR2004 - HTTP
        return
    try:
        message = str(json.loads(answer.body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        _fine(answer)
    else:
        raise InstallFailed(message)
