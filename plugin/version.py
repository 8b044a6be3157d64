"""Which version of Herkend this is."""

import importlib.metadata
from functools import cache


@cache
def version() -> str:
    """Return the version, as the package's own data have it."""
    return importlib.metadata.version("herkend")
