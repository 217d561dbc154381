"""A home: the directory in which one world lives.

::

    home.toml           what this home is; written last when a world is complete
    edition.toml        the edition that the world was made from, with its table of municipalities beside it
    keys/               wrapped private keys, and the key of the residents' codes, unless they lie in a token
    store.db            the store (SQLite), unless home.toml names databases by URL
    journal/            what was acknowledged, in a chain of hashes
    archive/            the certificates that the journal tells of, each under a key of its own
    repository/         what is public
    reports/            what became of renewals, and what deviated when other CAs' files were examined

Locks: ``home.lock`` is held shared by whoever works in the home, and alone by ``init``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from bridge.manifest import Marking
from ca.chance import Chance, SeededChance, SystemChance
from ca.clock import Clock, ShiftedClock, system_clock
from ca.errors import BadInput, HomeBusy, HomeHalfMade, HomeRefused, HomeTooNew, StorageFailed

FORMAT: Final = 1
SERVED_HOME_VARIABLE = "KAKEHASHI_SERVED_HOME"
"""How a server tells its worker processes which home they serve."""

_FILE = "home.toml"
_LOCK = "home.lock"
_BEGUN = frozenset({_LOCK, f".{_FILE}.new"})
"""What a making may leave behind that ended before the home was one."""

# Before 1950 UTCTime begins (RFC 5280 4.1.2.5.1); after 2100 no suite signs. Far beyond, moments cannot be reckoned.
_CLOCK_YEARS = range(1950, 2101)
_MAXIMUM_SIZE = 1 << 16


class ClockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test world's own time: it was ``start`` when the machine's clock stood at ``epoch``."""

    start: datetime
    epoch: datetime
    speed: float

    def clock(self) -> ShiftedClock:
        """The clock so set."""
        return ShiftedClock(self.start.astimezone(UTC), self.epoch.astimezone(UTC), self.speed)


class TokenSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the keys lie if not in the home: the PKCS#11 module's file, and the label of the token."""

    module: str
    label: str


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands in home.toml.

    Attributes:
        state: ``making`` until the world is complete.
        id: What tells this home from others where they share a database server or a token; older homes have none.
        seed: Of a world with public test keys; None for one with keys of its own.
        token: The token in which its keys lie; None if they lie in the home.
        database: The URL of the nation's database, if it is not store.db.
        databases: The URLs of the databases of authorities that have one of their own.
        journal_mirror: The folder, best on another disk, in which journal and archive are kept a second time.
        inbox: The directory of feed files that the worker watches, if it does.
        role: ``ocsp`` in a home that has responders and nothing else.
    """

    format: Literal[1] = FORMAT
    state: Literal["making", "complete"]
    marking: Literal["test", "production"]
    edition: str
    url: str
    id: str | None = None
    seed: int | None = None
    token: TokenSetting | None = None
    clock: ClockSetting | None = None
    database: str | None = None
    databases: dict[str, str] = msgspec.field(default_factory=dict)
    journal_mirror: str | None = None
    inbox: str | None = None
    role: Literal["ocsp"] | None = None

    def __post_init__(self) -> None:
        if Marking(self.marking) is Marking.PRODUCTION and (self.seed is not None or self.clock is not None):
            raise ValueError("a production world has neither test keys nor a clock of its own")
        if self.seed is not None and self.token is not None:
            raise ValueError("public test keys do not lie in a token")


@dataclass(frozen=True, slots=True)
class Home:
    """A home's paths, and reading and writing what it is."""

    folder: Path

    @property
    def edition(self) -> Path:
        """The edition that the world was made from."""
        return self.folder / "edition.toml"

    @property
    def keys(self) -> Path:
        """The vault's folder."""
        return self.folder / "keys"

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.folder / "store.db"

    @property
    def journal(self) -> Path:
        """The folder of the journal: what was acknowledged."""
        return self.folder / "journal"

    @property
    def archive(self) -> Path:
        """The folder of the archive: what was signed, under keys that can be destroyed one by one."""
        return self.folder / "archive"

    @property
    def repository(self) -> Path:
        """The public folder."""
        return self.folder / "repository"

    @property
    def reports(self) -> Path:
        """The folder of reports on cross-certification."""
        return self.folder / "reports"

    def exists(self) -> bool:
        """Whether a world was begun here."""
        return (self.folder / _FILE).is_file()

    def require_room(self) -> None:
        """Raise HomeRefused if something else is where a new home is to be made."""
        place = f"home {self.folder}"
        try:
            if any(entry.name not in _BEGUN for entry in self.folder.iterdir()):
                raise HomeRefused(place, "is a directory with other things in it")
        except FileNotFoundError:
            return
        except OSError as error:
            raise HomeRefused(place, f"cannot be made a home: {error.strerror}") from None

    def describe(self) -> Description:
        """What this home is, complete or not.

        Raises:
            HomeRefused: There is none, or its description cannot be read.
            HomeTooNew: It was made by a newer version.
        """
        path = self.folder / _FILE
        try:
            with path.open("rb") as file:
                tables = tomllib.loads(file.read(_MAXIMUM_SIZE).decode())
        except FileNotFoundError:
            raise self._no_home() from None
        except (OSError, ValueError, RecursionError) as error:
            raise HomeRefused(str(path), f"cannot be read: {error}") from None
        found = tables.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise HomeTooNew(
                f"home {self.folder}",
                f"has format {found}, made by a newer version (this one reads {FORMAT})",
                remedy="Update kakehashi",
            )
        try:
            return msgspec.convert(tables, Description)
        except msgspec.ValidationError as error:
            raise HomeRefused(str(path), str(error)) from None

    def require_complete(self) -> Description:
        """What this home is, if its world is complete; else HomeHalfMade, or HomeRefused without its store."""
        description = self.describe()
        if description.role is not None:
            raise HomeRefused(
                f"home {self.folder}",
                "has responders, and nothing else",
                remedy="`kakehashi serve --role ocsp` serves it; all else is done in the home that it is from",
            )
        if description.state != "complete":
            raise HomeHalfMade(
                f"home {self.folder}",
                "is half made: its making was interrupted",
                remedy="Run the same `kakehashi init` again to complete it",
            )
        if description.database is None and not self.store.is_file():
            # SQLite would make an empty one.
            raise HomeRefused(str(self.store), "is missing", remedy="Restore it from the backup")
        return description

    def require_responders(self) -> Description:
        """What this home is, if it has responders and nothing else; else HomeRefused, or HomeHalfMade."""
        description = self.describe()
        if description.role is None:
            raise HomeRefused(
                f"home {self.folder}",
                "is a whole home, with the keys of its CAs",
                remedy="`kakehashi responder export DIR` makes one of responders alone",
            )
        if description.state != "complete":
            raise HomeHalfMade(
                f"home {self.folder}",
                "is half made: its making was interrupted",
                remedy="Run the same `kakehashi responder export` again to complete it",
            )
        return description

    def write(self, description: Description) -> None:
        """Write down what this home is, whole or not at all."""
        self.place(_FILE, _toml(description).encode())

    def place(self, name: str, content: bytes) -> None:
        """Write one file of the home, whole or not at all, durably."""
        with storage_errors(f"home {self.folder}"):
            # Whoever writes here keeps the home alone; a killed writing leaves this file to the next one.
            temporary = self.folder / f".{name}.new"
            try:
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self.folder / name)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Keep the home: alone for making it, shared for working in it. HomeBusy if another process keeps it."""
        if not (alone or self.exists()):  # so that no lock is left in a folder that is no home
            raise self._no_home()
        try:
            lock = (self.folder / _LOCK).open("a")
        except FileNotFoundError:
            raise self._no_home() from None
        except OSError as error:
            raise HomeRefused(f"home {self.folder}", f"cannot be opened: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                doing = "being made, or worked in," if alone else "being made"
                raise HomeBusy(
                    f"home {self.folder}",
                    f"is {doing} by another process",
                    remedy="Wait for it to end and try again",
                ) from None
            yield

    def _no_home(self) -> HomeRefused:
        return HomeRefused(f"home {self.folder}", "is not a home", remedy="`kakehashi init` makes one")


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn the operating system's refusals to write into StorageFailed."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StorageFailed(
            place,
            f"cannot be written: {error.strerror}",
            remedy="Make room and run the same command again" if full else None,
        ) from None


def clock_of(description: Description, setting: tuple[datetime, float] | None) -> Clock:
    """The clock of a world: its own, or for this command another one that ``--clock`` asks for."""
    if setting is not None:
        if Marking(description.marking) is Marking.PRODUCTION:
            raise BadInput("--clock", "a production world runs on the machine's clock")
        start, speed = setting
        return _reckonable(ShiftedClock(start, system_clock(), speed))
    return system_clock if description.clock is None else _reckonable(description.clock.clock())


def chance_of(description: Description) -> Chance:
    """Where a world's unpredictable octets come from: the machine; in a seeded test world repeatable ones."""
    return SystemChance() if description.seed is None else SeededChance(description.seed)


def _reckonable(clock: ShiftedClock) -> Clock:
    if clock.start.year not in _CLOCK_YEARS:
        raise BadInput("--clock", f"{clock.start.date()} is not in {_CLOCK_YEARS[0]} to {_CLOCK_YEARS[-1]}")
    return clock


def _toml(description: Description) -> str:
    """TOML for so few keys: strings as JSON writes them, which are TOML basic strings."""
    lines = [
        "# A home of kakehashi. The commands read and write this file; it is not for editing.",
        f"format = {description.format}",
        *(
            f"{name} = {_text(getattr(description, name))}"
            for name in (
                "state",
                "marking",
                "edition",
                "url",
                "id",
                "database",
                "journal_mirror",
                "inbox",
                "role",
            )
            if getattr(description, name) is not None
        ),
    ]
    if description.seed is not None:
        lines.append(f"seed = {description.seed}")
    if (token := description.token) is not None:
        lines += ["", "[token]", f"module = {_text(token.module)}", f"label = {_text(token.label)}"]
    if description.clock is not None:
        lines += [
            "",
            "[clock]",
            f"start = {description.clock.start.isoformat()}",
            f"epoch = {description.clock.epoch.isoformat()}",
            f"speed = {float(description.clock.speed)}",
        ]
    if description.databases:
        lines += ["", "[databases]"]
        lines += [f"{name} = {_text(url)}" for name, url in description.databases.items()]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()
