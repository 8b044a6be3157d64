"""What is written is true: commands, settings, routes, metrics and links in the documents exist."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from plugin import worker
from plugin.app import create_app
from plugin.cli import main
from plugin.health import metrics
from plugin.health import store as health

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "compose.yaml", "Dockerfile")
    for path in ROOT.glob(pattern)
)
# How the paths begin that can only be ours.
OURS = r"api/|dashboard/|static/|healthz|readyz|metrics|privacy|support|about"
# The live tests have settings of their own, told in CONTRIBUTING.md.
LIVE = ROOT / "tests" / "live" / "conftest.py"


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request) -> str:
    return request.param.read_text(encoding="utf-8")


def settings_in_readme() -> set[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([A-Z_]+)` \|", text, flags=re.MULTILINE))


def commands_in(text: str) -> list[list[str]]:
    """Every `herkend ...` that stands as code, in a span or a block, as far as its words can be commands."""
    code = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    found = re.findall(
        r"(?:^|[\s/(])herkend((?: +[a-z][a-z-]*\b(?![=./:@]))+)", "\n".join(code), flags=re.MULTILINE
    )
    return [words.split() for words in found]


def missing_in_cli(words: list[str]) -> str | None:
    """The first word that is no command, though a command must stand there."""
    command: click.Command = main
    context = click.Context(main)
    for word in words:
        if not isinstance(command, click.Group):
            return None
        below = command.get_command(context, word)
        if below is None:
            return word
        command = below
    return None


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_named_exists(document):
    assert [words for words in commands_in(document) if missing_in_cli(words)] == []


def test_a_command_that_is_not_there_would_be_found():
    named = commands_in("Use `herkend shops conquer`, then\n```sh\n$ .venv/bin/herkend dbs list\n```\n")
    assert [missing_in_cli(words) for words in named] == ["dbs", "conquer"]


def test_every_option_named_with_a_command_exists(document):
    for words, option in re.findall(r"herkend((?: [a-z-]+)+)[^`\n|]*? (--[a-z-]+)", document):
        help_text = CliRunner().invoke(main, [*_command(words.split()), "--help"]).output
        assert option in help_text, f"herkend{words} {option}"


def _command(words: list[str]) -> list[str]:
    command: click.Command = main
    known = []
    for word in words:
        if (
            not isinstance(command, click.Group)
            or (below := command.get_command(click.Context(main), word)) is None
        ):
            break
        command, known = below, [*known, word]
    return known


def test_every_setting_named_exists(document):
    known = settings_in_readme() | set(re.findall(r"HERKEND_LIVE_[A-Z_]+", LIVE.read_text()))
    named = set(re.findall(r"\bHERKEND_[A-Z_]+[A-Z]\b", document))
    assert named - known == set()


def test_every_link_within_the_repository_leads_somewhere(document, request):
    here = request.node.callspec.params["document"].parent
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", document):
        path, _, anchor = target.partition("#")
        there = (here / path) if path else request.node.callspec.params["document"]
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_route_named_exists(document, installation):
    rules = create_app(installation).url_map.iter_rules()
    routes = [re.sub(r"<[^>]+>", "[^/]+", rule.rule) for rule in rules]
    named = re.findall(
        rf"`(?:GET|POST) (/[\w/.-]*)`|`(?:HERKEND_(?:API_)?URL)?(/(?:{OURS})[\w/.-]*)`", document
    )
    paths = ["".join(either) for either in named]
    assert [path for path in paths if not any(re.fullmatch(route, path) for route in routes)] == []


def test_the_operator_is_told_of_every_metric_and_of_no_other(installation):
    with installation.db.begin() as connection:
        figures = health.figures(connection, now=installation.clock())
    exported = metrics.text(figures, now=installation.clock()).decode()
    operator = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bherkend_[a-z_]+", operator)) == set(
        re.findall(r"^# TYPE (\S+)", exported, re.MULTILINE)
    )


def test_whoever_answers_for_the_data_is_told_of_every_table(installation):
    told = (ROOT / "docs" / "data-processing.md").read_text(encoding="utf-8")
    with installation.db.begin() as connection:
        tables = inspect(connection).get_table_names()
    own = {name for name in tables if not name.startswith(("procrastinate_", "alembic_"))}
    assert {name for name in own if f"`{name}`" not in told} == set()


def test_what_is_said_of_retention_is_what_is_done():
    told = (ROOT / "docs" / "data-processing.md").read_text(encoding="utf-8")
    days = {state: kept.days for state, kept in worker.BODIES_KEPT.items()}
    assert f"{days['done']} days once processed, {days['dead']} days when it was not understood" in told
    assert f"{worker.PERSONAL_DATA_AFTER_UNINSTALL.days} days later everything" in told
