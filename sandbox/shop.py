"""A shop with all that can happen in it; served by `sandbox.server`."""

from sandbox.apps import AppActions
from sandbox.deliveries import shuffled
from sandbox.manifest import InstallFailed
from sandbox.model import Account, App, Attempt, Delivery, Order, Refusal
from sandbox.orders import OrderActions
from sandbox.people import PeopleActions

__all__ = [
    "Account",
    "App",
    "Attempt",
    "Delivery",
    "InstallFailed",
    "Order",
    "Refusal",
    "Shop",
    "shuffled",
]


class Shop(OrderActions, PeopleActions, AppActions):
    """The stand-in for a Saleor shop: an action is a method, and fires what a real shop fires for it."""
