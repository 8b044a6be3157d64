"""Where a test can have a database of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder() -> Iterator[Path]:
    # pytest's own folders are closed to the user nobody, as whom the server runs for root.
    made = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)
