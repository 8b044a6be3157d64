"""Job: has the shop show its staff what needs them, and take back what is over."""

from collections.abc import Sequence
from functools import partial

import structlog

from plugin.errors import Permanent
from plugin.installation import Installation
from plugin.saleor.client import Saleor
from plugin.saleor.problems import dismiss_problems, raise_problem
from plugin.shops.calling import Line
from plugin.shops.problems import store
from plugin.shops.problems.store import Problem

log = structlog.get_logger()


def tell_problems(installation: Installation, shop_id: int) -> None:
    """Tell the shop of its problems what it does not know yet.

    1. take back what is over, and what reads otherwise now
    2. raise what is new; one whose answer was lost is raised again within the hour, and counts as the same there
    3. note each; a shop that does not take it is not asked again until the problem reads otherwise
    """
    line = Line.to(installation, shop_id)
    while line.free():
        with installation.db.begin() as connection:
            untold = store.untold(connection, shop_id)
        if not untold or not line.call(partial(_tell, installation, shop_id, line.saleor, untold)):
            return


def _tell(installation: Installation, shop_id: int, saleor: Saleor, untold: Sequence[Problem]) -> None:
    try:
        gone = [problem.key for problem in untold if problem.over or problem.told is not None]
        if gone:
            dismiss_problems(saleor, keys=gone)
            with installation.db.begin() as connection:
                store.dismissed(connection, shop_id, keys=gone)
        for problem in untold:
            if not problem.over:
                raise_problem(saleor, key=problem.key, message=problem.message)
                _note(installation, shop_id, problem)
    except Permanent as error:
        log.warning("the shop does not take a problem", shop=shop_id, problem=str(error))
        for problem in untold:
            _note(installation, shop_id, problem)


def _note(installation: Installation, shop_id: int, problem: Problem) -> None:
    with installation.db.begin() as connection:
        if problem.over:
            store.dismissed(connection, shop_id, keys=[problem.key])
        else:
            store.told(connection, shop_id, key=problem.key, message=problem.message)
