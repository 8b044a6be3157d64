"""What Prometheus would read of an installation."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from plugin.app import create_app
from plugin.installation import Installation
from plugin.secret import Secret

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def watched(installation: Installation, **settings):
    """A client of an installation whose metrics are open to whoever has the token."""
    changed = {"metrics_token": Secret(TOKEN), **settings}
    return create_app(replace(installation, settings=replace(installation.settings, **changed))).test_client()


def scrape(installation: Installation) -> dict[str, dict[tuple, float]]:
    """The metrics as {name: {labels' values in the order of the labels' names: value}}."""
    answer = watched(installation).get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    found: dict[str, dict[tuple, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            values = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[values] = sample.value
    return found
