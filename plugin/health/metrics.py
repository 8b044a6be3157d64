"""What Prometheus reads: figures from the database, so that any web process answers for all processes and machines."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from plugin.health.store import KINDS, Figures
from plugin.version import version

STATES = ("active", "paused", "unreachable", "uninstalled")
SHOP = "shop"
Values = Mapping[int | None, float]


def text(found: Figures, *, now: datetime) -> bytes:
    """Write the figures as Prometheus reads them (text format)."""
    return generate_latest(_Collected(_families(found, now=now)))


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(found: Figures, *, now: datetime) -> Iterator[Metric]:
    build = InfoMetricFamily("herkend_build", "The version that answers.")
    build.add_metric([], {"version": version()})
    yield build
    yield from _installation(found, now=now)
    yield from _deliveries(found, now=now)
    yield from _customers(found, now=now)
    yield from _calls(found)


def _installation(found: Figures, *, now: datetime) -> Iterator[Metric]:
    shops = GaugeMetricFamily("herkend_shops", "Shops by state.", labels=["state"])
    for state in STATES:
        shops.add_metric([state], found.states.get(state, 0))
    yield shops
    named = GaugeMetricFamily(
        "herkend_shop_info",
        "A shop by its number, which stands with the other figures.",
        labels=[SHOP, "domain", "state"],
    )
    for number, domain, state in found.shops or ():
        named.add_metric([str(number), domain, state], 1)
    yield named
    processes = GaugeMetricFamily(
        "herkend_processes", "Processes that showed themselves lately.", labels=["kind"]
    )
    for kind in KINDS:
        processes.add_metric([kind], sum(it.kind == kind and it.alive(now) for it in found.processes))
    yield processes
    jobs = GaugeMetricFamily("herkend_jobs", "Jobs that wait or run.", labels=["task", "status"])
    for task, status, count in found.jobs:
        jobs.add_metric([task, status], count)
    yield jobs
    yield from _timetable(found)


def _timetable(found: Figures) -> Iterator[Metric]:
    succeeded = GaugeMetricFamily(
        "herkend_timetable_last_success_timestamp_seconds", "When it last ended well.", labels=["name"]
    )
    failed = GaugeMetricFamily(
        "herkend_timetable_last_run_failed", "Whether the last run failed.", labels=["name"]
    )
    for run in found.timetable:
        failed.add_metric([run.name], run.problem is not None)
        if run.succeeded_at:
            succeeded.add_metric([run.name], run.succeeded_at.timestamp())
    yield from (succeeded, failed)


def _deliveries(found: Figures, *, now: datetime) -> Iterator[Metric]:
    waiting = [it for it in found.backlogs if it.what == "deliveries"]
    yield _of_all(
        found,
        "herkend_deliveries_waiting",
        "Deliveries that are kept and not processed yet.",
        {it.shop_id: it.count for it in waiting},
    )
    yield _of_all(
        found,
        "herkend_oldest_delivery_age_seconds",
        "For how long the first of them waits; 0: none does.",
        {it.shop_id: it.age(now) for it in waiting},
    )
    yield _of_all(
        found,
        "herkend_deliveries_dead",
        "Deliveries that could not be understood and wait for a person.",
        _counts(found, "dead"),
    )
    labels = [*_shop_label(found), "state"]
    processed = CounterMetricFamily(
        "herkend_deliveries_processed",
        "Deliveries processed, by how; once more for each replay.",
        labels=labels,
    )
    for shop_id, state, count in found.processed:
        processed.add_metric([*_shop(found, shop_id), state], count)
    yield processed


def _customers(found: Figures, *, now: datetime) -> Iterator[Metric]:
    yield _of_all(
        found,
        "herkend_persons_to_read",
        "Persons whose orders are to be read from the shop now.",
        _counts(found, "to read"),
    )
    yield _of_all(found, "herkend_reviews_due", "Persons to be reviewed now.", _counts(found, "to review"))
    publishing = {it.shop_id: it for it in found.backlogs if it.what == "to publish"}
    due = _gauge(found, "herkend_publications_due", "What active shops that are released are yet to be told.")
    lag = _gauge(
        found, "herkend_publishing_lag_seconds", "For how long the first of that waits; 0: none does."
    )
    for shop_id in publishing if found.shops is not None else [None]:
        it = publishing.get(shop_id)
        due.add_metric(_shop(found, shop_id), it.count if it else 0)
        lag.add_metric(_shop(found, shop_id), it.age(now) if it else 0)
    yield from (due, lag)


def _calls(found: Figures) -> Iterator[Metric]:
    labels = [*_shop_label(found), "operation", "outcome"]
    count = CounterMetricFamily(
        "herkend_saleor_calls", "Requests to shops, by how they ended.", labels=labels
    )
    seconds = CounterMetricFamily("herkend_saleor_call_seconds", "How long these took in all.", labels=labels)
    for it in found.calls:
        values = [*_shop(found, it.shop_id), it.operation, it.outcome]
        count.add_metric(values, it.count)
        seconds.add_metric(values, it.seconds)
    yield from (count, seconds)


def _counts(found: Figures, what: str) -> Values:
    return {it.shop_id: it.count for it in found.backlogs if it.what == what}


def _of_all(found: Figures, name: str, words: str, values: Values) -> Metric:
    """Say it of every shop, 0 where there is nothing to say; or of all together."""
    gauge = _gauge(found, name, words)
    known = [None] if found.shops is None else [number for number, _, _ in found.shops]
    for shop_id in known:
        gauge.add_metric(_shop(found, shop_id), values.get(shop_id, 0))
    return gauge


def _gauge(found: Figures, name: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=_shop_label(found))


def _shop_label(found: Figures) -> list[str]:
    return [] if found.shops is None else [SHOP]


def _shop(found: Figures, shop_id: int | None) -> list[str]:
    return [] if found.shops is None else [str(shop_id)]
