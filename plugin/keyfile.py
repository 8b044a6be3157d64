"""The keys of an installation with the embedded database: a file that its owner alone can read, newest first."""

import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet

from plugin.errors import Invalid
from plugin.secret import Secret, new_key

NAME = "keys"


def read_or_make(folder: Path) -> tuple[Secret, ...]:
    """Return the keys that stand in `folder`, where there are none yet a fresh one; raise Invalid."""
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _put(path, [new_key()], first=True)
    except OSError as error:
        raise Invalid(f"HERKEND_DATA: {folder} cannot be used ({error.strerror}).") from error
    return read(path)


def read_if_there(folder: Path) -> tuple[Secret, ...]:
    """Return the keys that stand in `folder`, none where it has none; raise Invalid where they cannot be read."""
    path = folder / NAME
    try:
        there = path.exists()
    except OSError as error:
        raise Invalid(f"HERKEND_DATA: {folder} cannot be used ({error.strerror}).") from error
    return read(path) if there else ()


def read(path: Path) -> tuple[Secret, ...]:
    """Return the keys of a file, separated by lines or commas; raise Invalid where it holds anything else."""
    try:
        texts = re.split(r"[\s,]+", path.read_text(encoding="ascii").strip())
        for text in texts:
            Fernet(text)
    except OSError as error:
        raise Invalid(f"HERKEND_DATA: {path} cannot be read ({error.strerror}).") from error
    except ValueError:
        raise Invalid(
            f"HERKEND_DATA: {path} holds something that is no key. Put the file back from a backup."
        ) from None
    return tuple(Secret(text) for text in texts)


def write(path: Path, keys: Sequence[Secret]) -> None:
    """Put these keys in the place of those in the file, whole and on disk, or raise Invalid and change nothing."""
    try:
        _put(path, keys, first=False)
    except OSError as error:
        raise Invalid(f"HERKEND_DATA: {path} cannot be written ({error.strerror}).") from error


def _put(path: Path, keys: Sequence[Secret], *, first: bool) -> None:
    """Write a draft, readable by its owner alone, and give it the name; of two that are `first` one wins."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".keys-", delete=False) as draft:
        try:
            draft.write("\n".join(key.reveal() for key in keys))
            draft.flush()
            os.fsync(draft.fileno())
            if first:
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
            else:
                _same_owner(path, draft.fileno())
                Path(draft.name).replace(path)
        finally:
            Path(draft.name).unlink(missing_ok=True)
    _keep_names(path.parent)


def _same_owner(path: Path, draft: int) -> None:
    """Root may change the keys of an installation that runs as somebody else, who must be able to read them."""
    before = path.stat()
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(draft, before.st_uid, before.st_gid)


def _keep_names(folder: Path) -> None:
    """Have a name that was just given survive a power cut: nothing is to rest under a key that does not."""
    line = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(line)
    finally:
        os.close(line)
