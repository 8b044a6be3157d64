"""Every text of the pages exists in Dutch."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from plugin import dashboard

FOLDER = Path(dashboard.__file__).parent
PLACEHOLDER = re.compile(r"%\(\w+\)s")


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with (FOLDER / "translations" / "nl" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale="nl")


@pytest.fixture(scope="module")
def used() -> set[str]:
    methods = [("**.py", "python"), ("**.html", "jinja2")]
    found = extract_from_dir(FOLDER, method_map=methods, keywords={"_": None, "gettext": None})
    return {text for _, _, text, _, _ in found}


def test_every_text_is_translated_and_no_translation_is_left_over(catalogue, used):
    translated = {message.id for message in catalogue if message.id and message.string}
    assert translated == used


def test_translations_keep_their_placeholders(catalogue):
    wrong = [
        message.id
        for message in catalogue
        if message.id
        and sorted(PLACEHOLDER.findall(message.id)) != sorted(PLACEHOLDER.findall(message.string))
    ]
    assert wrong == []
