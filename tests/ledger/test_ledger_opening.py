"""Opening a ledger: what is made, what is refused and with which way out, and who can read it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_rig import IDENTITY, RULES, a_fill, noted, opened, rows

from mmd.core.errors import ConfigError, MmdError
from mmd.ledger import opening, schema
from mmd.ledger.opening import LedgerError, open_for_reading, open_for_writing


def test_a_new_ledger_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask, the file and those beside it have mode 0600, and its tables are of the newest version."""
    before = os.umask(0)
    try:
        ledger = opened(tmp_path / "eth.ledger")
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found == {"eth.ledger": 0o600, "eth.ledger-wal": 0o600, "eth.ledger-shm": 0o600}
    assert rows(tmp_path / "eth.ledger", "PRAGMA user_version") == [(schema.VERSION,)]
    ledger.close()


def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    """The write-ahead log is flushed with every transaction, and deleting an order deletes its transitions."""
    connection = open_for_writing(tmp_path / "eth.ledger", IDENTITY, RULES)
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")]
    connection.close()
    assert settings == ["wal", 2, 1]


def test_a_closed_ledger_is_one_file_and_can_be_opened_again(tmp_path: Path) -> None:
    """What was written is there, and nothing lies beside it."""
    path = tmp_path / "eth.ledger"
    ledger = opened(path)
    ledger.write([noted(a_fill())])
    ledger.close()
    assert [each.name for each in tmp_path.iterdir()] == ["eth.ledger"]
    opened(path, session="s2").close()
    assert rows(path, "SELECT trade_id FROM fills") == [(1,)] and rows(path, "SELECT count(*) FROM runs") == [(2,)]


def test_two_cannot_write_one_ledger(tmp_path: Path) -> None:
    """Two daemons of one configuration on exchanges of their own have nothing else to tell them apart; the second is refused, and the first goes on."""
    path = tmp_path / "eth.ledger"
    ledger = opened(path)
    other = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from ledger_rig import opened; opened(Path(sys.argv[1]))",
         path, Path(__file__).parent, Path(__file__).parents[2]], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ConfigError" in other.stderr and "being written by another mmd" in other.stderr
    ledger.write([noted(a_fill())])
    ledger.close()
    opened(path, session="s2").close()
    assert rows(path, "SELECT count(*) FROM fills") == [(1,)] and rows(path, "SELECT session FROM runs") == [("s1",), ("s2",)]


def test_a_file_that_is_empty_becomes_a_ledger(tmp_path: Path) -> None:
    """A start that was cut off right after the file was made leaves nothing to mend."""
    path = tmp_path / "eth.ledger"
    path.touch()
    opened(path).close()
    assert rows(path, "SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize(("change", "theirs", "ours"), [
    ({"venue": "https://other.example.com"}, "https://fapi.example.com", "https://other.example.com"),
    ({"account": "zzz"}, "abc123", "zzz"),
])
def test_another_s_ledger_is_refused(tmp_path: Path, change: dict[str, str], theirs: str, ours: str) -> None:
    """Of another venue or account: the file, both values and the way out are named, and nothing is written."""
    path = tmp_path / "eth.ledger"
    opened(path).close()
    before = path.read_bytes()
    with pytest.raises(ConfigError) as refused:
        opened(path, **change)
    for part in (str(path), theirs, ours, "move it away", "ledger.file"):
        assert part in str(refused.value)
    assert path.read_bytes() == before


def test_another_symbol_s_ledger_is_refused(tmp_path: Path) -> None:
    """One file keeps one symbol."""
    opened(tmp_path / "eth.ledger").close()
    with pytest.raises(ConfigError, match="symbol is ETHUSDT, this configuration's is BTCUSDT"):
        open_for_writing(tmp_path / "eth.ledger", IDENTITY, replace(RULES, symbol="BTCUSDT"))


def test_other_margin_assets_are_written_down(tmp_path: Path) -> None:
    """They only say which wallets a mark adds up, so that a change of them needs no new ledger."""
    path = tmp_path / "eth.ledger"
    opened(path).close()
    opened(path, session="s2", margin_assets=("USDT",)).close()
    assert rows(path, "SELECT value FROM meta WHERE key = 'margin_assets'") == [("USDT",)]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Both versions and the way out are named, for writing and for reading."""
    path = tmp_path / "eth.ledger"
    opened(path).close()
    rows(path, f"PRAGMA user_version = {schema.VERSION + 6}")
    for attempt in (lambda: opened(path), lambda: open_for_reading(path)):
        with pytest.raises(ConfigError, match=f"newer mmd .version {schema.VERSION + 6} .* knows {schema.VERSION}.*move it away"):
            attempt()


@pytest.mark.parametrize("content", [b"symbol: ETHUSDT\n" * 100, b"\0" * 5_000, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    """Some other file under that name is named and left as it was."""
    path = tmp_path / "eth.ledger"
    path.write_bytes(content)
    for attempt in (lambda: opened(path), lambda: open_for_reading(path)):
        with pytest.raises(ConfigError, match=r"eth\.ledger.*(move it away|set ledger.file)"):
            attempt()
    assert path.read_bytes() == content


@pytest.mark.parametrize("linked", [False, True], ids=["pipe", "link to a pipe"])
def test_a_pipe_is_refused_at_once(tmp_path: Path, linked: bool) -> None:
    """By a writer and by a reader: opening it would wait for its other end for ever, deaf to signals."""
    path = tmp_path / "eth.ledger"
    os.mkfifo(tmp_path / "pipe" if linked else path)
    if linked:
        path.symlink_to(tmp_path / "pipe")
    opens = "import sys; from pathlib import Path; from mmd.ledger.opening import hold, open_for_reading; {}(Path(sys.argv[1]))"
    for name in ("hold", "open_for_reading"):
        done = subprocess.run(
            [sys.executable, "-c", opens.format(name), path], capture_output=True, text=True, check=False, timeout=20, cwd=Path(__file__).parents[2]
        )
        assert "ConfigError" in done.stderr and "it is no regular file; move it away" in done.stderr


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    """SQLite it may be, but it is not ours."""
    path = tmp_path / "eth.ledger"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(ConfigError, match="database of something else"):
        opened(path)


def test_a_damaged_ledger_is_refused(tmp_path: Path) -> None:
    """Pages that are rubbish are found before trading begins, and the error says how to read what is left."""
    path = tmp_path / "eth.ledger"
    ledger = opened(path)
    ledger.write([noted(*(a_fill(number) for number in range(2_000)))])
    ledger.close()
    with open(path, "r+b") as file:
        file.seek(60 * 1024)
        file.write(b"\xa5" * 40_960)
    with pytest.raises(ConfigError, match=r"damaged.*\.recover.*move it away"):
        opened(path)


@pytest.fixture
def two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """This mmd knows one more version of the tables than there is."""
    monkeypatch.setattr(opening, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(opening, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE fills ADD COLUMN mood TEXT; UPDATE fills SET mood = 'good';"))


def test_an_older_version_is_migrated_and_kept_beside(tmp_path: Path, two_versions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come along, and the file as it was lies beside it, readable for the owner alone."""
    path, backup = tmp_path / "eth.ledger", tmp_path / f"eth.ledger.v{schema.VERSION}-backup"
    monkeypatch.setattr(opening, "VERSION", schema.VERSION)
    ledger = opened(path)
    ledger.write([noted(a_fill())])
    ledger.close()
    monkeypatch.setattr(opening, "VERSION", schema.VERSION + 1)
    opened(path, session="s2").close()
    assert rows(path, "SELECT trade_id, mood FROM fills") == [(1, "good")]
    assert rows(path, "PRAGMA user_version") == [(schema.VERSION + 1,)]
    assert rows(backup, "SELECT trade_id FROM fills") == [(1,)] and rows(backup, "PRAGMA user_version") == [(schema.VERSION,)]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps are one transaction: the ledger stays what it was, of the version that it was."""
    path = tmp_path / "eth.ledger"
    opened(path).close()
    monkeypatch.setattr(opening, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(opening, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE fills ADD COLUMN mood TEXT; ALTER TABLE nothing RENAME TO void;"))
    with pytest.raises(MmdError, match="nothing"):
        opened(path)
    monkeypatch.undo()
    assert "mood" not in [row[1] for row in rows(path, "PRAGMA table_info(fills)")]
    opened(path, session="s2").close()


def test_an_older_version_is_not_read(tmp_path: Path, two_versions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader cannot migrate; it says who can."""
    path = tmp_path / "eth.ledger"
    monkeypatch.setattr(opening, "VERSION", schema.VERSION)
    opened(path).close()
    monkeypatch.setattr(opening, "VERSION", schema.VERSION + 1)
    with pytest.raises(ConfigError, match=f"is of version {schema.VERSION}.*start the daemon once"):
        open_for_reading(path)


def test_where_there_is_no_ledger_yet_a_reader_is_told_so(tmp_path: Path) -> None:
    """And makes none."""
    with pytest.raises(ConfigError, match="there is no ledger yet"):
        open_for_reading(tmp_path / "eth.ledger")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    """It names the file and the key."""
    with pytest.raises(ConfigError, match=r"nowhere/eth\.ledger.*ledger\.file"):
        opened(tmp_path / "nowhere" / "eth.ledger")


def test_a_reader_sees_what_a_running_daemon_has_committed(tmp_path: Path) -> None:
    """Out of the write-ahead log too, and it cannot write."""
    ledger = opened(tmp_path / "eth.ledger")
    ledger.write([noted(a_fill())])
    reader = open_for_reading(tmp_path / "eth.ledger")
    assert reader.execute("SELECT count(*) FROM fills").fetchone() == (1,)
    ledger.write([noted(a_fill(2))])
    assert reader.execute("SELECT count(*) FROM fills").fetchone() == (2,)
    with pytest.raises(sqlite3.OperationalError, match="readonly|read-only"):
        reader.execute("DELETE FROM fills")
    reader.close()
    ledger.close()


READ_AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from mmd.ledger.opening import open_for_reading
os.setgid(65534); os.setuid(65534)
print(open_for_reading(Path(sys.argv[1])).execute("SELECT count(*) FROM fills").fetchone()[0])
"""


@pytest.fixture
def public_place(tmp_path: Path) -> Path:
    """A directory that everybody may read and only we may write."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for parent in (tmp_path, *tmp_path.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    return tmp_path


def read_as_nobody(path: Path) -> str:
    for file in path.parent.iterdir():
        file.chmod(0o644)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", READ_AS_NOBODY, path, root], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("daemon", ["running", "stopped", "killed", "killed, its index lost"])
def test_a_user_who_cannot_write_can_read(public_place: Path, daemon: str) -> None:
    """Whatever became of the daemon: beside it, after its clean end, and with what a kill has left."""
    path = public_place / "eth.ledger"
    ledger = opened(path)
    ledger.write([noted(a_fill(), a_fill(2))])
    if daemon == "stopped":
        ledger.close()
    elif daemon.startswith("killed"):
        for end in ("", "-wal", "-shm"):
            shutil.copyfile(f"{path}{end}", f"{public_place / 'left.ledger'}{end}")
        path = public_place / "left.ledger"
        if "lost" in daemon:
            Path(f"{path}-shm").unlink()
    assert read_as_nobody(path) == "2"
    if daemon != "stopped":
        ledger.close()


def test_a_user_who_may_not_read_is_told_so(public_place: Path) -> None:
    """A ledger is private unless its owner opens it."""
    path = public_place / "eth.ledger"
    opened(path).close()
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", READ_AS_NOBODY, path, root], capture_output=True, text=True, check=False)
    assert "ConfigError" in done.stderr and "accessible for this user" in done.stderr


def test_a_disk_error_is_no_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another start may find it mended, so that a supervisor may try."""
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(opening, "_identify", fail)
    with pytest.raises(LedgerError, match="make room on the disk"):
        opened(tmp_path / "eth.ledger")
