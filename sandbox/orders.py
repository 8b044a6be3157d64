"""What happens to orders: placed, paid, refunded, cancelled, expired, sent; each fires what a real shop fires."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sandbox.model import (
    Account,
    Fulfilment,
    GiftCard,
    Line,
    MoneyEvent,
    Order,
    OrderEvent,
    Payment,
    Refusal,
    Transaction,
)
from sandbox.state import State

Amount = Decimal | int | str
Item = tuple[str, int, Amount]
NOTHING = Decimal(0)
ENDED = {"FULFILLED", "PARTIALLY_FULFILLED", "CANCELED", "EXPIRED", "DRAFT", "RETURNED"}


class OrderActions(State):
    """The part of a shop that sells."""

    def place_order(
        self,
        customer: Account | str | int | None = None,
        *,
        email: str | None = None,
        total: Amount | None = None,
        items: Sequence[Item] = (),
        paid: bool = True,
        created: datetime | None = None,
        paid_at: datetime | None = None,
        origin: str = "CHECKOUT",
        confirmed: bool = True,
        flow: str = "transaction",
        undiscounted: Amount | None = None,
        voucher_code: str | None = None,
        gift_card: Amount | None = None,
        currency: str | None = None,
        language: str = "NL",
    ) -> Order:
        """Place an order as an account, or as a guest with an e-mail in the letter case as typed.

        A guest's order belongs at once to an account with that address, also to an unconfirmed one. `items` are
        (name, quantity, price each); `total` alone makes one item. `undiscounted` is the total before a voucher;
        `gift_card` is what a gift card pays of it, which lowers `total`. `flow` is "transaction" or "payment".
        Origin CHECKOUT is an order of a customer, DRAFT and REISSUE one of staff. `created` and `paid_at` date it
        back, `updatedAt` with them. Not `confirmed`: it waits for staff, and can expire while unpaid.
        """
        with self._acting():
            buyer = None if customer is None else self.account(customer)
            typed = email if email is not None else buyer.email if buyer else ""
            if buyer is None:
                buyer = self.store.account_at(typed)
            at = created or self.now()
            money = currency or self.currency
            lines = _lines(items, total, undiscounted, money)
            before = Decimal(undiscounted) if undiscounted is not None else _sum(lines, discounted=False)
            subtotal = _sum(lines)
            due = subtotal - Decimal(gift_card or 0)
            order = Order(
                number=self.store.next("order"),
                channel=next(one["slug"] for one in self.channels if one["currencyCode"] == money),
                currency=money,
                status="UNFULFILLED" if confirmed else "UNCONFIRMED",
                origin=origin,
                created=at,
                updated_at=at,
                user_id=buyer.id if buyer else None,
                user_email=typed,
                language_code_enum=language,
                total=due,
                undiscounted_total=before,
                subtotal=subtotal,
                lines=lines,
                voucher_code=voucher_code,
                gift_cards=self._gift_cards(gift_card),
            )
            return self._place(order, paid=paid, paid_at=paid_at or created, dated=created, flow=flow)

    def _place(
        self, order: Order, *, paid: bool, paid_at: datetime | None, dated: datetime | None, flow: str
    ) -> Order:
        by_staff = order.origin != "CHECKOUT"
        confirmed = order.status != "UNCONFIRMED"
        principal = self.staff if by_staff else None
        for kind in ("ADDED_PRODUCTS", "DRAFT_CREATED", "PLACED_FROM_DRAFT") if by_staff else ("PLACED",):
            order = self._noted(order, kind, at=dated)
        if by_staff and confirmed:
            order = self._noted(order, "CONFIRMED", at=dated)
        if paid:
            name = "Mark-as-paid transaction" if by_staff else "Card"
            order = self._charged(order, order.total, at=paid_at, flow=flow, name=name)
            order = self._noted(order, "ORDER_MARKED_AS_PAID" if by_staff else "ORDER_FULLY_PAID", at=paid_at)
        if not by_staff and confirmed:
            order = self._noted(order, "CONFIRMED", at=paid_at or dated)
        order = replace(order, updated_at=(paid_at if paid else dated) or self.now())
        self.store.put(order)
        fired = _placed(by_staff=by_staff, paid=paid, confirmed=confirmed)
        self.fire(*fired, subject=order, principal=principal)
        return order

    def mark_paid(
        self, order: Order | str | int, *, at: datetime | None = None, flow: str = "transaction"
    ) -> Order:
        """Let staff mark an order as paid in full."""
        with self._acting():
            found = self.order(order)
            if found.charged > 0:
                raise Refusal("Order with payments or transactions can not be manually marked as paid.")
            found = self._charged(found, found.total, at=at, flow=flow, name="Mark-as-paid transaction")
            found = self._saved(self._noted(found, "ORDER_MARKED_AS_PAID", at=at))
            self.fire("ORDER_FULLY_PAID", "ORDER_UPDATED", subject=found, principal=self.staff)
        return found

    def charge(
        self, order: Order | str | int, amount: Amount | None = None, *, at: datetime | None = None
    ) -> Order:
        """Let the customer pay, in part or (without an amount) what is left."""
        with self._acting():
            found = self.order(order)
            part = found.total - found.charged if amount is None else Decimal(amount)
            found = self._charged(found, part, at=at, flow="transaction", name="Card")
            names = ["ORDER_PAID", "ORDER_UPDATED"]
            if found.is_paid:
                found = self._noted(found, "ORDER_FULLY_PAID", at=at)
                names.insert(1, "ORDER_FULLY_PAID")
            found = self._saved(found)
            self.fire(*names, subject=found, principal=None)
        return found

    def refund(
        self, order: Order | str | int, amount: Amount | None = None, *, manual: bool = False
    ) -> Order:
        """Give money back: `amount`, or all that was not yet. `manual`: noted by staff, the charge stays as it is."""
        with self._acting():
            found = self.order(order)
            left = found.total - found.refunded if manual else found.charged
            part = left if amount is None else Decimal(amount)
            if not NOTHING < part <= left:
                raise Refusal(f"{part} cannot be refunded, {left} is left")
            found = self._paid_back(found, part, manual=manual)
            if found.payments:
                found = self._noted(found, "PAYMENT_REFUNDED", amount=part)
            found = self._saved(self._noted(found, "EMAIL_SENT"))
            names = ["ORDER_REFUNDED", "ORDER_UPDATED"]
            if found.refunded >= found.total:
                names.append("ORDER_FULLY_REFUNDED")
            self.fire(*names, subject=found, principal=self.staff)
        return found

    def cancel(self, order: Order | str | int) -> Order:
        """Cancel an order; what was paid stays charged until it is refunded."""
        with self._acting():
            found = self.order(order)
            if found.status in ENDED:
                raise Refusal("This order can't be canceled.", code="cancel")
            found = self._noted(self._noted(found, "CANCELED"), "EMAIL_SENT")
            found = self._saved(replace(found, status="CANCELED"))
            self.fire("ORDER_CANCELLED", "ORDER_UPDATED", subject=found, principal=self.staff)
        return found

    def expire(self, order: Order | str | int) -> Order:
        """Let an unconfirmed order without payments expire: the one change that moves no `updatedAt`."""
        with self._acting():
            found = self.order(order)
            if found.status != "UNCONFIRMED" or found.transactions or found.payments:
                raise Refusal("only an unconfirmed order without payments expires")
            found = replace(self._noted(found, "EXPIRED"), status="EXPIRED")
            self.store.put(found)
            self.fire("ORDER_EXPIRED", "ORDER_UPDATED", subject=found, principal=None)
        return found

    def confirm_order(self, order: Order | str | int) -> Order:
        """Let staff confirm an order that waited for it."""
        with self._acting():
            found = self.order(order)
            if found.status != "UNCONFIRMED":
                raise Refusal("only an unconfirmed order can be confirmed")
            found = self._saved(replace(self._noted(found, "CONFIRMED"), status="UNFULFILLED"))
            self.fire("ORDER_CONFIRMED", subject=found, principal=self.staff)
        return found

    def fulfil(self, order: Order | str | int) -> Order:
        """Send everything that was ordered."""
        with self._acting():
            found = self.order(order)
            if found.status != "UNFULFILLED":
                raise Refusal("only a confirmed order that waits can be sent")
            found = self._noted(found, "FULFILLMENT_FULFILLED_ITEMS")
            parcel = Fulfilment(id=self.store.next("fulfilment"), status="FULFILLED", created=self.now())
            found = self._saved(
                replace(found, status="FULFILLED", fulfillments=(*found.fulfillments, parcel))
            )
            self.fire("ORDER_UPDATED", "ORDER_FULFILLED", subject=found, principal=self.staff)
        return found

    def add_note(self, order: Order | str | int, text: str) -> Order:
        """Let staff write a note into the order's history."""
        with self._acting():
            found = self._saved(self._noted(self.order(order), "NOTE_ADDED", message=text))
            self.fire("ORDER_UPDATED", subject=found, principal=self.staff)
        return found

    def _saved(self, order: Order) -> Order:
        moved = replace(order, updated_at=self.now())
        self.store.put(moved)
        return moved

    def _noted(
        self,
        order: Order,
        kind: str,
        *,
        at: datetime | None = None,
        amount: Decimal | None = None,
        message: str | None = None,
    ) -> Order:
        entry = OrderEvent(
            id=self.store.next("order event"),
            type=kind,
            date=at or self.now(),
            amount=amount,
            message=message,
        )
        return replace(order, events=(*order.events, entry))

    def _charged(self, order: Order, amount: Decimal, *, at: datetime | None, flow: str, name: str) -> Order:
        moment = at or self.now()
        event = self._money("CAPTURE" if flow == "payment" else "CHARGE_SUCCESS", order, amount, moment)
        if flow == "payment":
            payment = Payment(
                id=self.store.next("payment"),
                created=moment,
                modified=moment,
                charge_status="FULLY_CHARGED",
                currency=order.currency,
                total=order.total,
                captured=amount,
                events=(event,),
            )
            return replace(order, payments=(*order.payments, payment))
        item = Transaction(
            name=name,
            created_at=moment,
            modified_at=moment,
            currency=order.currency,
            charged=amount,
            events=(event,),
        )
        return replace(order, transactions=(*order.transactions, item))

    def _paid_back(self, order: Order, amount: Decimal, *, manual: bool) -> Order:
        now = self.now()
        if order.payments:
            event = self._money("REFUND", order, amount, now)
            return replace(
                order, payments=(*order.payments[:-1], _less(order.payments[-1], amount, event, now))
            )
        if manual:
            event = self._money("REFUND_SUCCESS", order, amount, now)
            apart = Transaction(
                name="Manual refund",
                created_at=now,
                modified_at=now,
                currency=order.currency,
                refunded=amount,
                events=(event,),
            )
            return replace(order, transactions=(*order.transactions, apart))
        changed = []
        for item in order.transactions:
            part = min(item.charged, amount)
            amount -= part
            changed.append(item if part <= 0 else self._returned(item, order, part, now))
        return replace(order, transactions=tuple(changed))

    def _returned(self, item: Transaction, order: Order, part: Decimal, now: datetime) -> Transaction:
        event = self._money("REFUND_SUCCESS", order, part, now)
        return replace(
            item,
            charged=item.charged - part,
            refunded=item.refunded + part,
            modified_at=now,
            events=(event, *item.events),
        )

    def _money(self, kind: str, order: Order, amount: Decimal, at: datetime) -> MoneyEvent:
        number = self.store.next("money event")
        return MoneyEvent(id=number, type=kind, created_at=at, currency=order.currency, amount=amount)

    def _gift_cards(self, amount: Amount | None) -> tuple[GiftCard, ...]:
        if amount is None:
            return ()
        number = self.store.next("gift card")
        return (GiftCard(id=number, last4_code_chars=f"{number:04X}"),)


def _placed(*, by_staff: bool, paid: bool, confirmed: bool) -> list[str]:
    """Name the events of a new order, in the order in which a real shop sent them."""
    if by_staff:
        names = ["ORDER_CONFIRMED", "ORDER_CREATED"] if confirmed else ["ORDER_CREATED"]
        return names + (["ORDER_FULLY_PAID", "ORDER_UPDATED"] if paid else [])
    names = ["ORDER_CREATED"]
    if paid:
        names += ["ORDER_PAID", "ORDER_FULLY_PAID", "ORDER_UPDATED"]
    return names + (["ORDER_CONFIRMED"] if confirmed else [])


def _lines(
    items: Sequence[Item], total: Amount | None, undiscounted: Amount | None, currency: str
) -> tuple[Line, ...]:
    if not items:
        price = Decimal("25.00") if total is None else Decimal(total)
        full = price if undiscounted is None else Decimal(undiscounted)
        return (Line(product_name="Theepot", currency=currency, unit=price, undiscounted_unit=full),)
    return tuple(
        Line(
            product_name=name,
            quantity=quantity,
            currency=currency,
            unit=Decimal(price),
            undiscounted_unit=Decimal(price),
        )
        for name, quantity, price in items
    )


def _sum(lines: Sequence[Line], *, discounted: bool = True) -> Decimal:
    prices = ((line.unit if discounted else line.undiscounted_unit) * line.quantity for line in lines)
    return sum(prices, NOTHING)


def _less(payment: Payment, amount: Decimal, event: MoneyEvent, now: datetime) -> Payment:
    captured = payment.captured - amount
    return replace(
        payment,
        captured=captured,
        refunded=payment.refunded + amount,
        modified=now,
        charge_status="FULLY_REFUNDED" if captured <= 0 else "PARTIALLY_REFUNDED",
        events=(*payment.events, event),
    )
