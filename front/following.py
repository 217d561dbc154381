"""A directory that the worker keeps up to date: the home's setting, and publication into it whenever something changes.

The setting is ``directory.toml`` in the home, which ``kakehashi repo ldap follow`` writes; how it goes is in
``directory.json`` beside it. The password is in neither: the setting names the file that has it, read anew for each try.

It runs in a thread of its own. Whatever a directory does or does not, the lists over HTTP come out as ever; what fails here
is tried again, after a pause that doubles up to five minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from logging import ERROR, WARNING
from pathlib import Path
from typing import Literal

import msgspec
import tomli

from bridge.crossing.reports import write_whole
from bridge.directory.connection import Directory, Server
from bridge.repository.directory import Published, publish_repository
from bridge.repository.still import published_state
from ca.clock import system_clock
from ca.errors import HomeRefused, KakehashiError
from front.asking import require_open
from front.assembly import World
from front.home import Home
from front.logs import LOGGER, log
from front.passphrase import password

DIRECTORY_JOB = "directory"

_SETTING = "directory.toml"
_STATE = "directory.json"
_LIMIT = 1 << 16
_PAUSE = 1.0
_LONGEST_PAUSE = timedelta(minutes=5)
# How often everything is compared though nothing has changed here: somebody may have changed it there.
_COMPARED = timedelta(minutes=10)
# How often a publication that goes on keeps its lease: a part of it.
_KEPT = timedelta(seconds=4)
# So many names that the server has no place for are kept; a count tells of the rest.
_NAMES = 20


class Following(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands in directory.toml.

    Attributes:
        url: ``ldap://`` or ``ldaps://``, as ``bridge.directory.connection.Server`` has it.
        bind_dn: Who writes, as the server knows them.
        password_file: Its first line is their password.
        start_tls: TLS begins before anything is said.
        ca_file: PEM of the CAs of the server's certificate.
        guarded: Whoever may read the directory keeps it from others: needed where lists are for known verifiers.
        timeout: Seconds that one publication may take.
    """

    url: str
    bind_dn: str
    password_file: str
    start_tls: bool = False
    ca_file: str | None = None
    guarded: bool = False
    timeout: int = 600

    @property
    def server(self) -> Server:
        """Where it is."""
        return Server(self.url, self.start_tls, None if self.ca_file is None else Path(self.ca_file))


class FollowState(msgspec.Struct, frozen=True, kw_only=True):
    """How the last try went.

    Attributes:
        state: ``failing`` until a try has come to its end.
        at: When that was.
        published_at: When the directory last said all that was published.
        failures: How many tries failed since then.
        problem: Why the last one did.
        next_try: When the next one is.
        left_out: How many entries the server has no place for, and the names of some.
    """

    state: Literal["ok", "failing"]
    at: datetime
    published_at: datetime | None = None
    failures: int = 0
    problem: str | None = None
    next_try: datetime | None = None
    entries: int = 0
    left_out: int = 0
    left_out_names: tuple[str, ...] = ()


def read_following(home: Home) -> Following | None:
    """The setting; None if no directory is followed; HomeRefused if it cannot be read."""
    path = home.folder / _SETTING
    try:
        with path.open("rb") as file:
            return msgspec.convert(tomli.loads(file.read(_LIMIT).decode()), Following)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise HomeRefused(str(path), f"cannot be read: {error}") from None


def write_following(home: Home, setting: Following | None) -> None:
    """Have the home's workers follow this directory from their next look on, or none."""
    path = home.folder / _SETTING
    if setting is None:
        for one in (path, home.folder / _STATE):
            one.unlink(missing_ok=True)
        return
    # JSON's strings, numbers and words are TOML's.
    fields = {name: value for name, value in msgspec.structs.asdict(setting).items() if value is not None}
    lines = [f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in fields.items()]
    write_whole(path, "".join(lines).encode())


def read_state(home: Home) -> FollowState | None:
    """How the last try went; None before the first, and where that cannot be read."""
    try:
        return msgspec.json.decode((home.folder / _STATE).read_bytes(), type=FollowState)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def followed(home: Home) -> str | None:
    """In a word how the directory does that the home's workers follow; None if they follow none."""
    try:
        if read_following(home) is None:
            return None
    except HomeRefused:
        return "failing"
    found = read_state(home)
    return "not tried yet" if found is None else found.state


class _Ended(Exception):
    """The publication is not this worker's any more, or the worker is to end; the next look goes on with it."""


class Follower:
    """Keeps a home's directory up to date, as long as its worker lives."""

    def __init__(self, world: World, hold: Callable[[], datetime | None], stop: threading.Event) -> None:
        """Begin; nothing is looked at yet.

        Args:
            world: Whose repository.
            hold: Takes or keeps the job's lease, ``DIRECTORY_JOB``; None if another worker has it.
            stop: When it is set, the worker is to end.
        """
        self._world = world
        self._hold = hold
        self._stop = stop
        self._failures = 0
        self._next_try: datetime | None = None
        self._said: tuple[Following, bytes] | None = None  # what the directory says
        self._compare_at: datetime | None = None

    def run(self) -> None:
        """Look every second until the worker ends."""
        while not self._stop.wait(_PAUSE):
            try:
                self.once()
            except KakehashiError as error:
                log("directory not looked at", level=ERROR, error=type(error).__name__, place=error.place)
            except Exception:  # noqa: BLE001 - whatever it is, the next look has its chance
                LOGGER.exception("directory not looked at")

    def once(self) -> None:
        """Look once: publish if something has changed, or was not published yet. What fails is said, and kept.

        Raises:
            HomeRefused: The setting cannot be read.
            StorageFailed: The home or its repository cannot be read or written.
        """
        home, now = self._world.home, system_clock()
        setting = read_following(home)
        if setting is None or self._hold() is None:
            self._said = self._next_try = None
            return
        wanted = setting, published_state(self._world.repository)
        due = self._compare_at is None or now >= self._compare_at
        if self._next_try is not None and now < self._next_try:
            return
        if wanted == self._said and not due:
            return
        try:
            done = self._publish(setting)
        except _Ended:
            self._said = None
        except KakehashiError as error:
            self._failed(error)
        else:
            self._succeeded(done, wanted)

    def _publish(self, setting: Following) -> Published:
        world = self._world
        kept = system_clock()

        def progress(_what: str, _steps: int) -> None:
            nonlocal kept
            if self._stop.is_set():
                raise _Ended
            if system_clock() >= kept + _KEPT:
                kept = system_clock()
                if self._hold() is None:  # another worker has it, and may have newer things to say
                    raise _Ended

        require_open(world.plan.practices.values(), guarded=setting.guarded)
        with Directory(setting.server, float(setting.timeout)) as directory:
            directory.authenticate(
                setting.bind_dn, password(Path(setting.password_file), "--password-file", prompt="Password")
            )
            return publish_repository(world.repository, directory, progress)

    def _succeeded(self, done: Published, said: tuple[Following, bytes]) -> None:
        now = system_clock()
        if done.added or done.replaced or self._failures or self._said is None:
            log(
                "directory published",
                entries=done.entries,
                added=done.added,
                replaced=done.replaced,
                left_out=len(done.left_out),
            )
        self._said, self._compare_at = said, now + _COMPARED
        self._failures, self._next_try = 0, None
        self._keep(
            FollowState(
                state="ok",
                at=now,
                published_at=now,
                entries=done.entries,
                left_out=len(done.left_out),
                left_out_names=done.left_out[:_NAMES],
            )
        )

    def _failed(self, error: KakehashiError) -> None:
        now = system_clock()
        self._failures += 1
        # Capped before it is doubled: after days of failures a power of two would be beyond any date.
        pause = min(_LONGEST_PAUSE, timedelta(seconds=2 ** min(self._failures - 1, 10)))
        self._said, self._next_try = None, now + pause
        log(
            "directory not published",
            level=WARNING,
            error=type(error).__name__,
            place=error.place,
            problem=error.problem,
            failures=self._failures,
        )
        before = read_state(self._world.home)
        self._keep(
            FollowState(
                state="failing",
                at=now,
                published_at=None if before is None else before.published_at,
                failures=self._failures,
                problem=str(error),
                next_try=self._next_try,
            )
        )

    def _keep(self, state: FollowState) -> None:
        write_whole(self._world.home.folder / _STATE, msgspec.json.encode(state))
