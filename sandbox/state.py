"""What all actions of a shop stand on: its store, its clock, its key, and how it tells apps what happened."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox import events
from sandbox.deliveries import Deliveries
from sandbox.faults import Faults
from sandbox.metadata import Owner, changed
from sandbox.model import Account, App, Delivery, Order, Refusal, from_gid, gid
from sandbox.requestlog import RequestLog
from sandbox.schema import PATCHES, events_of, load, of_patch
from sandbox.signing import Signer, new_key
from sandbox.store import Store

Clock = Callable[[], datetime]
STAFF_EMAIL = "staff@example.com"
TICK = timedelta(microseconds=1)


def present() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(tz=UTC)


class State:
    """A shop without its actions.

    `patch` is the full version, such as 3.23.5 (before webhooks had identifiers), the newest known without it;
    `folder` keeps it over restarts; `url` is the base under which apps reach it, known once it is served;
    `clock` returns an aware moment; `retry_scale` shortens the delays between attempts to deliver.
    """

    def __init__(
        self,
        *,
        version: str = "3.23",
        patch: str | None = None,
        name: str = "Kruid & Kandij",
        folder: Path | None = None,
        clock: Clock = present,
        url: str = "",
        currency: str = "EUR",
        retry_scale: float = 1.0,
        delivery_timeout: float = 20.0,
        merge_on_confirm: bool = True,
    ) -> None:
        self.version = version
        self.upgrade(patch or PATCHES[version])
        self.name, self.url, self.currency = name, url, currency
        self.merge_on_confirm = merge_on_confirm
        self.store = Store(folder=folder)
        self.faults = Faults()
        self.requests = RequestLog()
        self.clock, self._last = clock, datetime.min.replace(tzinfo=UTC)
        self._quiet: ContextVar[bool] = ContextVar("quiet", default=False)
        self.cause: ContextVar[int | None] = ContextVar("cause", default=None)
        self.channels = self._channels()
        self.signer = self._signer()
        self.staff = self._staff()
        self.deliveries = Deliveries(
            store=self.store,
            headers=self._headers,
            clock=self.now,
            retry_scale=retry_scale,
            timeout=delivery_timeout,
        )

    def upgrade(self, patch: str) -> None:
        """Become another patch of the same version."""
        self.full_version = patch
        self.schema = load(of_patch(self.version, patch))

    @property
    def api_url(self) -> str:
        """Return the address of the API, as apps know the shop."""
        return f"{self.url}/graphql/"

    @property
    def knows_identifiers(self) -> bool:
        """Tell whether webhooks have identifiers here."""
        return "identifier" in self.schema.type_map["Webhook"].fields  # type: ignore[attr-defined] # an object type

    def events_of(self, query: str) -> tuple[str, ...]:
        """Check a webhook's query, and return the events it is about; raises `GraphQLError`."""
        return events_of(self.version, query)

    @property
    def domain(self) -> str:
        """Return host and port."""
        return urlsplit(self.url).netloc

    def close(self) -> None:
        """Stop sending and close the file."""
        self.deliveries.stop()
        self.store.close()

    def now(self) -> datetime:
        """Read the clock; never the same moment twice, as on a real shop."""
        with self.store.lock:
            read = self.clock()
            if timedelta(0) <= self._last - read < timedelta(seconds=1):
                read = self._last + TICK
            self._last = read
            return read

    def facts(self) -> dict[str, Any]:
        """Return what the API tells of the shop itself."""
        return {
            "id": gid("Shop", 1),
            "name": self.name,
            "version": self.full_version,
            "schemaVersion": self.version,
            "channelCurrencies": sorted({one["currencyCode"] for one in self.channels}),
            "domain": {
                "host": self.domain,
                "sslEnabled": self.url.startswith("https"),
                "url": f"{self.url}/",
            },
        }

    def app_of(self, token: str | None) -> App | None:
        """Return the app that a token speaks for: none for a wrong one, nor for an app switched off or gone."""
        with self.store.lock:
            for app in self.store.apps.values():
                if token and secrets.compare_digest(app.token, token) and app.is_active and not app.removed:
                    return app
        return None

    @contextmanager
    def silently(self) -> Iterator[None]:
        """Let nothing be told to apps of what happens inside: history that was there before them."""
        token = self._quiet.set(True)
        try:
            with self.store.writing():
                yield
        finally:
            self._quiet.reset(token)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """One action: all of it or nothing, and its webhooks go out when it stands."""
        with self.store.writing():
            yield
        self.deliveries.wake()

    def fire(self, *names: str, subject: events.Subject, principal: Account | App | None) -> None:
        """Tell every app that subscribed; names in capitals, as Saleor's enum."""
        if self._quiet.get():
            return
        for name in names:
            event = name.lower()
            for app, hook in events.wanted(self, event, subject):
                body = events.body(self, event, subject, app=app, hook=hook, principal=principal)
                if body is not None:
                    self._keep(event, body, app=app, url=hook.target_url, webhook_id=hook.id)

    def _keep(self, event: str, body: bytes, *, app: App, url: str, webhook_id: int) -> None:
        self.store.put(
            Delivery(
                id=self.store.next("delivery"),
                event=event,
                webhook_id=webhook_id,
                app_id=app.id,
                url=url,
                body=body,
                signature=self.signer.detached(body),
                traceparent=f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
                created=self.now(),
                cause=self.cause.get(),
            )
        )

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        headers = {"User-Agent": f"Saleor/{self.version}", "Content-Type": "application/json"}
        for prefix in ("X-Saleor-", "Saleor-"):
            headers |= {
                f"{prefix}Event": delivery.event,
                f"{prefix}Domain": self.domain,
                f"{prefix}Signature": delivery.signature,
            }
        return headers | {"Saleor-Api-Url": self.api_url, "traceparent": delivery.traceparent}

    def write_metadata(
        self,
        owner: Owner,
        changes: Mapping[str, str | None],
        *,
        private: bool,
        principal: Account | App | None,
    ) -> Owner:
        """Set keys, or delete those with None; moves `updatedAt` always, and tells apps when a value changed."""
        with self._acting():
            new: Owner = changed(owner, changes, private=private)
            if not isinstance(new, App):
                new = replace(new, updated_at=self.now())
            self.store.put(new)
            if (new.metadata, new.private_metadata) == (owner.metadata, owner.private_metadata):
                return new
            if isinstance(new, Order):
                self.fire("ORDER_METADATA_UPDATED", subject=new, principal=principal)
            elif isinstance(new, Account):
                self.fire("CUSTOMER_UPDATED", "CUSTOMER_METADATA_UPDATED", subject=new, principal=principal)
        return new

    def account(self, wanted: "Account | str | int") -> Account:
        """Return an account as it stands now, by object, global id, number or e-mail; raises `Refusal`."""
        accounts = self.store.accounts
        if isinstance(wanted, Account):
            found = accounts.get(wanted.id)
        elif isinstance(wanted, int):
            found = accounts.get(wanted)
        elif "@" in wanted:
            found = self.store.account_at(wanted)
        else:
            found = accounts.get(_number_of("User", wanted))
        if found is None:
            raise Refusal(f"there is no account {wanted}")
        return found

    def order(self, wanted: "Order | str | int") -> Order:
        """Return an order as it stands now, by object, global id, uuid or number; raises `Refusal`."""
        orders = self.store.orders
        if isinstance(wanted, Order):
            wanted = wanted.id
        if isinstance(wanted, int):
            found = next((one for one in orders.values() if one.number == wanted), None)
        else:
            found = orders.get(wanted) or orders.get(_key_of("Order", wanted))
        if found is None:
            raise Refusal(f"there is no order {wanted}")
        return found

    def _channels(self) -> Sequence[dict[str, Any]]:
        return tuple(
            {
                "id": gid("Channel", number),
                "slug": slug,
                "name": slug.replace("-", " ").capitalize(),
                "isActive": True,
                "currencyCode": currency,
            }
            for number, slug, currency in ((1, "default-channel", self.currency), (2, "channel-chf", "CHF"))
        )

    def _signer(self) -> Signer:
        pem = self.store.setting("key")
        if pem is None:
            pem = new_key()
            self.store.remember("key", pem)
        return Signer(pem)

    def _staff(self) -> Account:
        found = self.store.account_at(STAFF_EMAIL)
        if found is None:
            now = self.now()
            found = Account(
                id=self.store.next("account"),
                email=STAFF_EMAIL,
                first_name="Sam",
                last_name="Vermeer",
                is_staff=True,
                is_confirmed=True,
                date_joined=now,
                updated_at=now,
            )
            self.store.put(found)
        return found


def _key_of(kind: str, text: str) -> str:
    try:
        found, key = from_gid(text)
    except ValueError:
        return ""
    return key if found == kind else ""


def _number_of(kind: str, text: str) -> int:
    key = _key_of(kind, text)
    return int(key) if key.isdecimal() else 0
