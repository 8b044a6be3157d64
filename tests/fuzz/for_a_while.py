"""Runs a property on examples that hypothesis makes up: some, or, in `make soak`, new ones for a while."""

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

EXAMPLES = 50  # a round: by no more than one the time is gone over
LONGEST_NOTE = 5000
MINUTES = float(os.environ.get("FUZZ_MINUTES") or 30)  # of all in `make soak` together
SHARES = 7  # how many tests part them
SECONDS = MINUTES * 60 / SHARES

for_a_while = pytest.mark.parametrize(
    "seconds", [0, pytest.param(SECONDS, marks=pytest.mark.soak)], ids=["one round", "for a while"]
)


def fuzz(check: Callable[..., None], *, seconds: float, **strategies: SearchStrategy[Any]) -> int:
    """Try `check` on examples until the time is over, at least one round; return how many there were.

    A failing example is made small and shown, with the seed that finds it again.
    """
    tried = 0

    def counted(**example: Any) -> None:
        nonlocal tried
        tried += 1
        try:
            check(**example)
        except BaseException as error:
            error.add_note(f"with {example!r}"[:LONGEST_NOTE])
            raise

    ends = time.monotonic() + seconds
    while True:
        number = random.SystemRandom().randrange(2**32)
        sys.stdout.write(f"seed {number}\n")
        seed(number)(careful()(given(**strategies)(counted)))()
        if time.monotonic() >= ends:
            return tried


def careful(examples: int = EXAMPLES) -> settings:
    """Say how hypothesis is to go about it: new examples each time, and none kept."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
