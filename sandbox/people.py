"""What happens to people: they register, confirm, change and go, by themselves or by staff's hand."""

from dataclasses import replace

from sandbox.model import Account, Refusal
from sandbox.state import State


class PeopleActions(State):
    """The part of a shop that knows its customers."""

    def register_account(
        self, email: str, *, first_name: str = "", last_name: str = "", language: str = "NL"
    ) -> Account:
        """Let a visitor register; unconfirmed until `confirm_account`, and anybody can type any address."""
        with self._acting():
            made = self._made(email, first_name, last_name, language)
            self.fire("CUSTOMER_CREATED", subject=made, principal=None)
        return made

    def create_customer(
        self, email: str, *, first_name: str = "", last_name: str = "", language: str = "NL"
    ) -> Account:
        """Let staff make an account; it stays unconfirmed, as in a real shop."""
        with self._acting():
            made = self._made(email, first_name, last_name, language)
            self.fire("CUSTOMER_CREATED", subject=made, principal=self.staff)
        return made

    def _made(self, email: str, first_name: str, last_name: str, language: str) -> Account:
        if self.store.account_at(email) is not None:
            raise Refusal("User with this Email already exists.", code="taken")
        now = self.now()
        made = Account(
            id=self.store.next("account"),
            email=email.lower(),
            first_name=first_name,
            last_name=last_name,
            language_code=language,
            date_joined=now,
            updated_at=now,
        )
        self.store.put(made)
        return made

    def confirm_account(self, account: Account | str | int) -> Account:
        """Let the owner follow the link in the mail: orders of that address may join (`merge_on_confirm`)."""
        with self._acting():
            found = self._saved_account(replace(self.account(account), is_confirmed=True))
            if self.merge_on_confirm:
                self._link_orders(found)
            self.fire("ACCOUNT_CONFIRMED", subject=found, principal=None)
        return found

    def set_confirmed(self, account: Account | str | int, *, confirmed: bool = True) -> Account:
        """Let staff tick "confirmed" (or untick it)."""
        with self._acting():
            found = self._saved_account(replace(self.account(account), is_confirmed=confirmed))
            if confirmed:
                self._link_orders(found)
            self.fire("CUSTOMER_UPDATED", subject=found, principal=self.staff)
        return found

    def change_email(self, account: Account | str | int, email: str) -> Account:
        """Let staff give an account another address; guest orders of that address join it."""
        with self._acting():
            old = self.account(account)
            taken = self.store.account_at(email)
            if taken is not None and taken.id != old.id:
                raise Refusal("User with this Email already exists.", code="taken")
            found = self._saved_account(replace(old, email=email.lower()))
            self._link_orders(found)
            self.fire("CUSTOMER_UPDATED", subject=found, principal=self.staff)
        return found

    def rename(self, account: Account | str | int, *, first_name: str, last_name: str) -> Account:
        """Let staff correct a name; a real shop fires both events for it."""
        with self._acting():
            old = self.account(account)
            found = self._saved_account(replace(old, first_name=first_name, last_name=last_name))
            self.fire("CUSTOMER_UPDATED", "CUSTOMER_METADATA_UPDATED", subject=found, principal=self.staff)
        return found

    def set_active(self, account: Account | str | int, *, active: bool) -> Account:
        """Let staff block an account, or let it in again."""
        with self._acting():
            found = self._saved_account(replace(self.account(account), is_active=active))
            self.fire("CUSTOMER_UPDATED", subject=found, principal=self.staff)
        return found

    def log_in(self, account: Account | str | int) -> Account:
        """Let a customer sign in: moves `updatedAt` and fires nothing."""
        with self._acting():
            return self._saved_account(replace(self.account(account), last_login=self.now()))

    def write_own_metadata(self, account: Account | str | int, key: str, value: str | None) -> Account:
        """Let a signed-in customer write (or with None delete) his own public metadata, as he can."""
        found = self.account(account)
        self.write_metadata(found, {key: value}, private=False, principal=found)
        return self.account(found)

    def delete_customer(self, account: Account | str | int) -> None:
        """Let staff delete an account: its orders keep the e-mail, lose the user, and move no `updatedAt`."""
        with self._acting():
            found = self._gone(account)
            self.fire("CUSTOMER_DELETED", subject=found, principal=self.staff)

    def delete_own_account(self, account: Account | str | int) -> None:
        """Let a customer delete himself: another event than when staff does it."""
        with self._acting():
            found = self._gone(account)
            self.fire("ACCOUNT_DELETED", subject=found, principal=found)

    def _gone(self, account: Account | str | int) -> Account:
        found = self.account(account)
        for order in self.store.orders_of(found):
            self.store.put(replace(order, user_id=None))
        self.store.remove(found)
        return found

    def _saved_account(self, account: Account) -> Account:
        moved = replace(account, updated_at=self.now())
        self.store.put(moved)
        return moved

    def _link_orders(self, account: Account) -> None:
        """Join guest orders with exactly this address; like the real thing, without moving `updatedAt`."""
        for key in list(self.store.by_email.get(account.email, ())):
            order = self.store.orders[key]
            if order.user_id is None:
                self.store.put(replace(order, user_id=account.id))
