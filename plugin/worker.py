"""The worker: drains the inbox and the persons due, runs the jobs, keeps the timetable."""

import threading
import time
from datetime import timedelta
from functools import partial

import structlog

from plugin.customers import store as customers
from plugin.customers.history import read_histories
from plugin.errors import Transient
from plugin.inbox import store as inbox
from plugin.installation import Installation
from plugin.queue import PUBLISH, READ, Job, Lanes, ask
from plugin.review import review_batch
from plugin.shops import store as shops
from plugin.tiers import store as tiers
from plugin.tiers.publish import publish
from webhooks.process import process_batch

log = structlog.get_logger()
IDLE_SECONDS = 0.1
SWEEP_SECONDS = 1.0
PERSONAL_DATA_AFTER_UNINSTALL = timedelta(days=30)
BODIES_KEPT = {"done": timedelta(days=30), "dead": timedelta(days=90)}


class Worker:
    """Works until it is told to stop; several may share one database, on one machine or many."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._stopping = threading.Event()
        self._lanes = Lanes(
            installation,
            jobs={READ: partial(_guarded, read_histories), PUBLISH: partial(_guarded, publish)},
            timetable={
                "grow-older": ("2 * * * *", grow_older),
                "erase": ("17 3 * * *", erase_left_shops),
                "forget": ("47 3 * * *", forget_bodies),
            },
        )

    def run(self) -> None:
        """Drain in this thread and run the jobs in another, until `stop`."""
        jobs = threading.Thread(target=self._lanes.run, name="jobs")
        jobs.start()
        try:
            self._drain()
        finally:
            self._lanes.stop()
            jobs.join()

    def stop(self) -> None:
        """Finish what is in hand and return from `run`; may be called from a signal handler or another thread."""
        self._stopping.set()

    def _drain(self) -> None:
        """Look for work at once while there is some, else ten times a second; sweep every second."""
        next_sweep = time.monotonic()
        while not self._stopping.is_set():
            try:
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


def sweep(installation: Installation) -> None:
    """Have jobs run for every shop whose rows say so: no wake-up is ever lost for good."""
    with installation.db.begin() as connection:
        now = installation.clock()
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
    """Erase the personal data of shops that uninstalled a month ago."""
    with installation.db.begin() as connection:
        for shop_id in shops.left_before(connection, installation.clock() - PERSONAL_DATA_AFTER_UNINSTALL):
            shops.erase(connection, shop_id)
            log.info("personal data erased", shop=shop_id)


def forget_bodies(installation: Installation) -> None:
    """Let go of the bodies of deliveries whose time is over."""
    for state, kept in BODIES_KEPT.items():
        with installation.db.begin() as connection:
            count = inbox.forget_bodies(connection, state=state, before=installation.clock() - kept)
        if count:
            log.info("bodies forgotten", state=state, count=count)
