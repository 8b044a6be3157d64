"""What needs the merchant, in his words: pure. English, then Dutch: Saleor takes one text and names no language.

The texts hold no numbers that move by themselves: one that reads otherwise is told anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from plugin.shops.webhooks.rules import Change

# What the keys of the problems begin with.
PERMISSION = "permission."
WEBHOOKS = "webhooks"
UNDELIVERED = "undelivered"
DEAD_LETTERS = "dead-letters"

# By permission: what is lost without it, in both languages.
LOST = {
    "MANAGE_ORDERS": (
        "it hears of no orders and cannot read them, and guests get no standing",
        "het hoort niets van bestellingen en kan ze niet lezen, en gasten krijgen geen status",
    ),
    "MANAGE_USERS": (
        "it hears of no customers and cannot write their standing",
        "het hoort niets van klanten en kan hun status niet vastleggen",
    ),
}
A_PART = ("a part of it does not work", "een deel ervan werkt niet")
LATELY = timedelta(days=1)
MANY_UNDELIVERED = 20
MANY_DEAD = (10, 100, 1_000, 10_000)


def both(*, english: str, dutch: str) -> str:
    """Put the two in one text, on one line; Saleor cuts off what is longer than 2048 characters."""
    return f"{english} \N{EM DASH} Nederlands: {dutch}"


def of_permissions(missing: Iterable[str]) -> dict[str, str]:
    """A problem for each permission that is missing."""
    return {PERMISSION + code: _permission(code, *LOST.get(code, A_PART)) for code in sorted(missing)}


def _permission(code: str, lost: str, lost_in_dutch: str) -> str:
    return both(
        english=f"Herkend lacks the permission {code}: {lost}. Grant it again on the page of the app under Extensions. "
        "Herkend goes on by itself within minutes.",
        dutch=f"Herkend mist het recht {code}: {lost_in_dutch}. Geef het opnieuw op de pagina van de app onder "
        "Extensions. Herkend gaat binnen enkele minuten vanzelf verder.",
    )


def of_webhooks(changes: Sequence[Change]) -> dict[str, str]:
    """One problem for webhooks that do not tell us what they should; a missing identifier or name harms nobody."""
    names = ", ".join(sorted(change.name.partition(" ")[2] for change in changes if deaf(change)))
    if not names:
        return {}
    return {
        WEBHOOKS: both(
            english=f"Webhooks of Herkend are missing, changed or switched off: {names}. What happens there does "
            "not reach Herkend. Its operator puts them right (herkend webhooks sync); you find him on the support page "
            "of the app.",
            dutch=f"Webhooks van Herkend ontbreken, zijn gewijzigd of staan uit: {names}. Wat daar gebeurt, bereikt "
            "Herkend niet. De beheerder van Herkend zet ze recht (herkend webhooks sync); je vindt hem op de "
            "supportpagina van de app.",
        )
    }


def deaf(change: Change) -> bool:
    """Tell whether we do not hear what we should until this change is made."""
    before, after = change.before, change.after
    if before is None or after is None:
        return after is not None
    return (
        not before.active
        or before.target_url != after.target_url
        or set(before.events) != set(after.events)
        or before.query.split() != after.query.split()
    )


def lately(failed: Mapping[str, Sequence[datetime]], *, now: datetime) -> int:
    """Count the deliveries that failed within a day."""
    return sum(made > now - LATELY for each in failed.values() for made in each)


def of_failures(failed: Mapping[str, Sequence[datetime]], *, now: datetime) -> dict[str, str]:
    """One problem for deliveries that never arrived, when they are many within a day."""
    if lately(failed, now=now) < MANY_UNDELIVERED:
        return {}
    return {
        UNDELIVERED: both(
            english="In the last day Saleor could not deliver many messages to Herkend: it was away, or could not be "
            "reached. Customers of these messages get their standing when they are next heard of. If this stays, tell "
            "the operator of Herkend; you find him on the support page of the app.",
            dutch="In de afgelopen dag kon Saleor veel berichten niet bij Herkend bezorgen: het stond stil of was niet "
            "bereikbaar. Klanten uit deze berichten krijgen hun status zodra er weer iets over hen binnenkomt. Blijft "
            "dit zo, zeg het dan de beheerder van Herkend; je vindt hem op de supportpagina van de app.",
        )
    }


def of_dead_letters(count: int) -> dict[str, str]:
    """One problem for messages that we did not understand, told anew at each power of ten."""
    passed = [many for many in MANY_DEAD if count >= many]
    if not passed:
        return {}
    many = passed[-1]
    return {
        DEAD_LETTERS: both(
            english=f"{many} or more messages of your shop could not be understood by Herkend. They are set aside, and "
            "the operator of Herkend is to look at them; you find him on the support page of the app.",
            dutch=f"{many} of meer berichten van je winkel kon Herkend niet begrijpen. Ze zijn apart gezet, en de "
            "beheerder van Herkend moet ernaar kijken; je vindt hem op de supportpagina van de app.",
        )
    }
