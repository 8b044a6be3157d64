"""In whose language: every text a person reads exists in English and Dutch."""

from datetime import datetime, timedelta
from pathlib import Path

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal
from flask import Flask, Request, request
from flask_babel import Babel, gettext
from jinja2 import pass_context
from jinja2.runtime import Context

from plugin.tiers.words import LANGUAGES, Language, tier_name

A_MOMENT = timedelta(seconds=5)
_LOCALES = {"en": "en_GB", "nl": "nl_NL"}


def add(app: Flask) -> None:
    """Teach an application the two languages; the second time nothing happens."""
    if "babel" not in app.extensions:
        folder = Path(__file__).parent / "translations"
        Babel(
            app,
            default_locale="en",
            default_translation_directories=str(folder),
            locale_selector=lambda: language(request),
        )
        app.jinja_env.filters.update(number=number, moment=moment, ago=ago, tier_name=tier)


def language(asked: Request) -> Language:
    """Choose by the last `?locale=` or `?lang=`, else by what the browser (or the shell page) likes best."""
    named = [*asked.args.getlist("locale"), *asked.args.getlist("lang")][-1:]
    for wanted in named or asked.accept_languages.values():
        for known in LANGUAGES:
            if wanted.lower().partition("-")[0] == known:
                return known
    return "en"


def number(value: int) -> str:
    """Write a number as the reader does: 2,000 or 2.000."""
    return format_decimal(value, locale=_locale())


def moment(value: datetime) -> str:
    """Write a moment (with its time zone) out: 21 November 2026 at 22:10."""
    return format_datetime(value, "d MMMM y, HH:mm", locale=_locale())


def ago(value: datetime, *, now: datetime) -> str:
    """Say how long ago something was: 2 minutes ago."""
    if now - value < A_MOMENT:
        return str(gettext("just now"))
    return format_timedelta(value - now, add_direction=True, locale=_locale())


@pass_context  # else Jinja answers once, in the first reader's language, where the name is written in a template
def tier(_: Context, name: str) -> str:
    """Name a tier as it stands by itself: with a capital."""
    text = tier_name(name, language=language(request))
    return text[:1].upper() + text[1:]


def _locale() -> str:
    return _LOCALES[language(request)]
