"""Names that Saleor gives to permissions and events."""

PERMISSIONS = {
    "MANAGE_USERS": "Manage customers.",
    "MANAGE_STAFF": "Manage staff.",
    "IMPERSONATE_USER": "Impersonate user.",
    "MANAGE_APPS": "Manage apps.",
    "MANAGE_OBSERVABILITY": "Manage observability.",
    "MANAGE_CHECKOUTS": "Manage checkouts.",
    "HANDLE_CHECKOUTS": "Handle checkouts.",
    "HANDLE_TAXES": "Handle taxes.",
    "MANAGE_TAXES": "Manage taxes.",
    "MANAGE_CHANNELS": "Manage channels.",
    "MANAGE_DISCOUNTS": "Manage promotions and vouchers.",
    "MANAGE_GIFT_CARD": "Manage gift cards.",
    "MANAGE_MENUS": "Manage navigation.",
    "MANAGE_ORDERS": "Manage orders.",
    "MANAGE_ORDERS_IMPORT": "Manage orders import.",
    "MANAGE_PAGES": "Manage pages.",
    "MANAGE_PAGE_TYPES_AND_ATTRIBUTES": "Manage page types and attributes.",
    "HANDLE_PAYMENTS": "Handle payments.",
    "MANAGE_PLUGINS": "Manage plugins.",
    "MANAGE_PRODUCTS": "Manage products.",
    "MANAGE_PRODUCT_TYPES_AND_ATTRIBUTES": "Manage product types and attributes.",
    "MANAGE_SHIPPING": "Manage shipping.",
    "MANAGE_SETTINGS": "Manage settings.",
    "MANAGE_TRANSLATIONS": "Manage translations.",
}
LATER_PERMISSIONS = {
    "3.23": {"MANAGE_CUSTOMER_TYPES_AND_ATTRIBUTES": "Manage customer types and attributes."}
}

# The permission that an app needs for an event of this family; None: its own fate, nothing needed.
FAMILIES = {"order": "MANAGE_ORDERS", "customer": "MANAGE_USERS", "account": "MANAGE_USERS", "app": None}


def typename(event: str) -> str:
    """Return the GraphQL type of an event: order_fully_paid -> OrderFullyPaid."""
    return "".join(part.capitalize() for part in event.split("_"))
