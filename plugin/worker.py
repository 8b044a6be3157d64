"""The worker: drains the inbox and the persons due, runs the jobs, keeps the timetable."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from plugin.customers import store as customers
from plugin.customers.history import read_histories
from plugin.errors import HerkendError, Transient
from plugin.health import store as health
from plugin.health.beat import Beat
from plugin.inbox import store as inbox
from plugin.installation import Installation
from plugin.queue import CHECK, PROBLEMS, PUBLISH, READ, Job, Lanes, Timetable, ask
from plugin.review import review_batch
from plugin.set_back import SetBack
from plugin.shops import store as shops
from plugin.shops.check import ask_around, check
from plugin.shops.problems import store as problems
from plugin.shops.problems.tell import tell_problems
from plugin.tiers import store as tiers
from plugin.tiers.publish import publish
from webhooks.process import process_batch

log = structlog.get_logger()
IDLE_SECONDS = 0.1
SWEEP_SECONDS = 1.0
PERSONAL_DATA_AFTER_UNINSTALL = timedelta(days=30)
BODIES_KEPT = {"done": timedelta(days=30), "dead": timedelta(days=90)}
FORGOTTEN_AT_ONCE = 1000


class Worker:
    """Works until it is told to stop; several may share one database, on one machine or many."""

    def __init__(self, installation: Installation) -> None:
        self._stopping = threading.Event()
        self._installation = replace(installation, stopping=self._stopping)
        self._lanes = Lanes(
            self._installation,
            jobs={name: partial(_guarded, job) for name, job in JOBS.items()},
            timetable={name: (cron, partial(noted, name, call)) for name, (cron, call) in TIMETABLE.items()},
        )
        self._set_back = SetBack(self._installation, anew=self._lanes.begin_anew)
        self._beat = Beat(installation, kind="worker")

    def run(self) -> None:
        """Drain in this thread and run the jobs in another, until `stop`."""
        jobs = threading.Thread(target=self._lanes.run, name="jobs")
        jobs.start()
        try:
            self._drain()
        finally:
            self._lanes.stop()
            jobs.join()
            self._beat.end()

    def stop(self) -> None:
        """Finish what is in hand and return from `run`; may be called from another thread."""
        self._stopping.set()

    def _drain(self) -> None:
        """Look for work at once while there is some, else ten times a second; sweep every second."""
        next_sweep = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._beat.perhaps()
                self._set_back.look()
                busy = process_batch(self._installation) + review_batch(self._installation)
                if time.monotonic() >= next_sweep:
                    sweep(self._installation)
                    next_sweep = time.monotonic() + SWEEP_SECONDS
            except Transient as error:
                log.warning("waiting for the database", problem=str(error))
                self._stopping.wait(1)
            except Exception:
                log.exception("draining failed")
                self._stopping.wait(1)
            else:
                if not busy:
                    self._stopping.wait(IDLE_SECONDS)


def _guarded(job: Job, installation: Installation, shop_id: int) -> None:
    """Run a job; where it fails in a way nobody thought of, leave the shop alone for a while."""
    try:
        job(installation, shop_id)
    except Transient as error:
        log.warning("job put off", shop=shop_id, problem=str(error))
    except Exception:
        log.exception("job failed", shop=shop_id)
        with installation.db.begin() as connection:
            shops.hold(connection, shop_id, now=installation.clock(), at_least=None)


def noted(name: str, call: Callable[[Installation], None], installation: Installation) -> None:
    """Do what has its time, and note that it began and how it ended: `herkend doctor` and the metrics tell."""
    with installation.db.begin() as connection:
        health.begun(connection, name, now=installation.clock())
    problem = None
    try:
        call(installation)
    except Exception as error:
        log.exception("the timetable failed")
        problem = str(error) if isinstance(error, HerkendError) else type(error).__name__
    with installation.db.begin() as connection:
        health.ended(connection, name, problem=problem, now=installation.clock())


def sweep(installation: Installation) -> None:
    """Have jobs run for every shop whose rows say so: no wake-up is ever lost for good."""
    with installation.db.begin() as connection:
        now = installation.clock()
        ask(connection, PROBLEMS, problems.shops_to_tell(connection, now=now))
        ask(connection, READ, customers.shops_to_read(connection, now=now))
        ask(connection, PUBLISH, tiers.shops_to_tell(connection, now=now))


def grow_older(installation: Installation) -> None:
    """Have those reviewed whom the new day moves, in each shop when its own day begins."""
    now = installation.clock()
    with installation.db.begin() as connection:
        known = shops.all_shops(connection)
    for shop in known:
        with installation.db.begin() as connection:
            today = shops.policy(connection, shop.id).day(now)
            count = tiers.due_by_time(connection, shop.id, today=today, now=now)
        if count:
            log.info("a new day moves customers", shop=shop.id, count=count)


def erase_left_shops(installation: Installation) -> None:
    """Erase the personal data of shops that uninstalled a month ago, and did not come back since."""
    before = installation.clock() - PERSONAL_DATA_AFTER_UNINSTALL
    with installation.db.begin() as connection:
        left = shops.left_before(connection, before)
    for shop_id in left:
        with installation.db.begin() as connection:
            erased = shops.erase(connection, shop_id, left_before=before)
        if erased:
            log.info("personal data erased", shop=shop_id)


def forget_bodies(installation: Installation) -> None:
    """Let go of the bodies of deliveries whose time is over, some at a time; told to stop, it leaves the rest."""
    for state, kept in BODIES_KEPT.items():
        before, count, some = installation.clock() - kept, 0, FORGOTTEN_AT_ONCE
        while some == FORGOTTEN_AT_ONCE and not installation.stopping.is_set():
            with installation.db.begin() as connection:
                some = inbox.forget_bodies(connection, state=state, before=before, most=FORGOTTEN_AT_ONCE)
            count += some
        if count:
            log.info("bodies forgotten", state=state, count=count)


JOBS: Mapping[str, Job] = {
    READ: read_histories,
    PUBLISH: publish,
    PROBLEMS: tell_problems,
    CHECK: check,
}

# What has its time: a name, when (UTC, as cron has it), and what to do.
TIMETABLE: Timetable = {
    "grow-older": ("2 * * * *", grow_older),
    "erase": ("17 3 * * *", erase_left_shops),
    "forget": ("47 3 * * *", forget_bodies),
    "look-after": ("* * * * *", ask_around),
}
