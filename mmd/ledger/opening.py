"""Opening a ledger: made where there is none, brought to the newest version, and refused where it is not the one that is meant."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mmd.core.errors import ConfigError, MmdError
from mmd.core.rules import SymbolRules
from mmd.ledger.schema import APPLICATION_ID, MIGRATIONS, VERSION

BUSY_TIMEOUT_S = 5.0
# A file up to this size is looked through for damage at every start (a few milliseconds); a larger one shows its damage when it is used.
_CHECKED_BYTES = 16 << 20
_WAL_LIMIT_BYTES = 64 << 20
_WAY_OUT = "move it away, or set ledger.file to another one"


class LedgerError(MmdError):
    """The disk does not take, or give, the record: full, read-only, failing, damaged."""


class LedgerBusy(LedgerError):
    """Another program holds the file; it may let go."""


@dataclass(frozen=True)
class Identity:
    """Whose record it is: `venue` is the REST address (or "paper" for an embedded exchange, whose port changes), `account` a digest.

    A change of `margin_assets` does not make it another ledger: they only say which wallets a mark adds up.
    """

    venue: str
    account: str
    margin_assets: tuple[str, ...]


def hold(path: Path) -> IO[bytes]:
    """The right to write it, for as long as what is returned stays open, or the process lives; a new file is made, with mode 0600.

    It must be let go after the connection, never before. Raises ConfigError where another process has it, or the file cannot be opened.
    """
    try:
        _make(path)
        _refuse_what_is_no_file(path)
        held = open(path, "rb")  # noqa: SIM115 (open for as long as the lock is held)
    except OSError as error:
        raise _not_writable(path, error.strerror or str(error)) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ConfigError(f"{path}: the ledger is being written by another mmd; stop that one first, or set ledger.file to another file") from None
    except OSError as error:
        held.close()
        raise _failure(path, error) from error
    return held


def open_for_writing(path: Path, identity: Identity, rules: SymbolRules) -> sqlite3.Connection:
    """The one connection that writes, in autocommit mode, for whichever one thread uses it.

    A new file is made with mode 0600. An older version is migrated, after a copy of it was laid beside it. Raises ConfigError for a file that
    cannot be used for this market, LedgerError where the disk does not take it.
    """
    try:
        _make(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except OSError as error:
        raise _not_writable(path, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        raise _failure(path, error) from error
    try:
        version = _checked_version(connection, path)
        _make_durable(connection, path)
        if version:
            _check_sound(connection, path)
        _migrate(connection, path, version)
        _identify(connection, path, identity, rules)
    except sqlite3.Error as error:
        connection.close()
        raise _failure(path, error) from error
    except MmdError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a running daemon or after it, also for a user who cannot write the directory.

    Raises ConfigError where there is no ledger, or none that this version reads; LedgerError where it cannot be read.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no ledger yet; the daemon makes it when it first runs with this configuration")
    try:
        _refuse_what_is_no_file(path)
        connection = _connect_to_read(path)
        try:
            version = _checked_version(connection, path)
            if version < VERSION:
                older = f"is of version {version}" if version else "is empty"
                raise ConfigError(f"{path}: the ledger {older}, and this mmd reads version {VERSION}; start the daemon once, which brings it there")
            return connection
        except (sqlite3.Error, MmdError):
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise _failure(path, error) from error


def is_busy(error: Exception) -> bool:
    """Whether another program holds the file (SQLITE_BUSY, SQLITE_LOCKED)."""
    text = str(error).lower()
    return "locked" in text or "busy" in text


def advice(error: Exception) -> str:
    """What the operator can do about a failure of the disk."""
    text = str(error).lower()
    if "full" in text:
        return "make room on the disk"
    if "readonly" in text or "read-only" in text:
        return "make the file, its directory and its file system writable for this user"
    if is_busy(error):
        return "end the other program that holds it"
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return "it is damaged: move it away (`sqlite3 FILE .recover` reads what can be read)"
    return "look at the disk"


def _refuse_what_is_no_file(path: Path) -> None:
    """Opening a pipe waits for its other end, for ever, and no signal would be heard. Raises ConfigError, OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ConfigError(f"{path}: the ledger cannot be opened: it is no regular file; {_WAY_OUT}")


# --- for writing ----------------------------------------------------------------------------------------------------------------------


def _make(path: Path) -> None:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its mode to the files beside it


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables, 0 for a file that holds nothing yet. Raises ConfigError for what is no ledger, or too new a one."""
    try:
        application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
        empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise ConfigError(f"{path}: is no ledger, or a damaged one ({error}); {_WAY_OUT}") from error
    if empty and application == 0 and version == 0:
        return 0
    if application != APPLICATION_ID:
        raise ConfigError(f"{path}: is a database of something else, not a ledger of mmd; {_WAY_OUT}")
    if version > VERSION:
        raise ConfigError(
            f"{path}: the ledger was written by a newer mmd (version {version} of its tables, this one knows {VERSION}); use that mmd, or {_WAY_OUT}"
        )
    return version


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """What is committed is on the disk, and readers do not hold the writer up."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigError(f"{path}: its file system cannot share memory between programs, which the ledger needs; set ledger.file to a local disk")
    for pragma in ("synchronous = FULL", "foreign_keys = ON", f"journal_size_limit = {_WAL_LIMIT_BYTES}"):
        connection.execute(f"PRAGMA {pragma}")


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > _CHECKED_BYTES:
        return
    found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise ConfigError(f"{path}: the ledger is damaged ({str(found[0]).splitlines()[-1]}); `sqlite3 FILE .recover` reads what can be read; {_WAY_OUT}")


def _migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """From `version` to the newest, each step whole or not at all."""
    if 0 < version < VERSION:
        _back_up(connection, path.with_name(f"{path.name}.v{version}-backup"))
    for step in range(version, VERSION):
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {step + 1};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[step]}{marks}COMMIT;")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A whole copy, or none; one that is there from an attempt that broke off is replaced."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
    os.close(descriptor)
    try:
        copy = sqlite3.connect(name)
        try:
            connection.backup(copy)
        finally:
            copy.close()
        os.replace(name, target)
    except (sqlite3.Error, OSError):
        os.unlink(name)
        raise


def _identify(connection: sqlite3.Connection, path: Path, identity: Identity, rules: SymbolRules) -> None:
    """Write down whose ledger it is, or hold it against what is written there. Raises ConfigError where it is another's."""
    ours = {
        "venue": identity.venue, "account": identity.account, "symbol": rules.symbol, "base_asset": rules.base_asset, "quote_asset": rules.quote_asset,
    }
    found = dict(connection.execute("SELECT key, value FROM meta"))
    for key, value in ours.items():
        if found.get(key, value) != value:
            raise ConfigError(f"{path}: the ledger is another's: its {key.replace('_', ' ')} is {found[key]}, this configuration's is {value}; {_WAY_OUT}")
    # Written even where nothing changes, so that a full or read-only disk shows at the start and not at the first fill.
    rows = {**ours, "margin_assets": ",".join(identity.margin_assets)}
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", rows.items())
    connection.execute("COMMIT")


# --- for reading ----------------------------------------------------------------------------------------------------------------------


def _connect_to_read(path: Path) -> sqlite3.Connection:
    try:
        return _read_only(path)
    except sqlite3.OperationalError:
        # Reading takes two small files beside the ledger, which exist while the daemon runs, and which this user cannot make where it does not.
        # Then nobody writes either, and a copy is as good.
        with tempfile.TemporaryDirectory(prefix="mmd-ledger-") as directory:
            copy = Path(directory) / path.name
            for end in ("", "-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            return _read_only(copy)  # its files are open now, and stay readable when their names are gone


def _read_only(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


# --- failures -------------------------------------------------------------------------------------------------------------------------


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _failure(path: Path, error: Exception) -> MmdError:
    text = str(error).lower()
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return _not_writable(path, str(error))
    if "not a database" in text:
        return ConfigError(f"{path}: is no ledger, or a damaged one ({error}); {_WAY_OUT}")
    return LedgerError(f"{path}: the ledger cannot be used: {error}; {advice(error)}")


def _not_writable(path: Path, why: str) -> ConfigError:
    way_out = "make it and its directory accessible for this user, or set ledger.file to another one"
    return ConfigError(f"{path}: the ledger cannot be opened: {why}; {way_out}")
