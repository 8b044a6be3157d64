"""`herkend doctor`."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby

import click

from plugin import log, settings
from plugin.health.doctor import examine
from plugin.health.findings import Finding
from plugin.worker import TIMETABLE

WIDTH = 9
COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object.")
def doctor(*, as_json: bool) -> None:
    """Look at everything, and say what is wrong and what to do about it.

    It starts nothing and changes nothing. Exit codes: 0 all is well, or there are warnings alone; 1 something needs a
    person; 2 a setting is wrong.
    """
    read = settings.read(make_keys=False)
    log.configure(replace(read, log_level="error"))
    found = list(examine(read, crons={name: cron for name, (cron, _) in TIMETABLE.items()}))
    healthy = all(finding.level != "error" for finding in found)
    if as_json:
        told = {"healthy": healthy, "findings": [asdict(finding) for finding in found]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if not healthy:
        sys.exit(1)


def _print(found: Sequence[Finding]) -> None:
    for area, group in groupby(found, key=lambda finding: finding.area):
        click.echo(click.style(area, bold=True))
        for shop, findings in groupby(group, key=lambda finding: finding.shop):
            if shop is not None:
                click.echo(f"  {shop}")
            for todo, alike in groupby(findings, key=lambda finding: finding.todo):
                for finding in alike:
                    click.echo(f"  {_mark(finding)} {finding.words}")
                if todo:
                    click.echo(f"  {'':{WIDTH}} -> {todo}")
    counts = Counter(finding.level for finding in found)
    click.echo(f"{_many(counts['error'], 'error')}, {_many(counts['warning'], 'warning')}.")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _mark(finding: Finding) -> str:
    return click.style(f"{finding.level:{WIDTH}}", fg=COLOURS[finding.level])
