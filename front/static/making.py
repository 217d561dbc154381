"""``kakehashi repo static``: the folder, made beside its place and put there when it is whole."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from bridge.repository.entries import read_entries
from bridge.repository.ldif import ldif
from ca.errors import Conflict, StorageFailed
from front.asking import answers_are_open, status_practice
from front.assembly import World
from front.home import storage_errors
from front.static.answers import Answers, make_answers
from front.static.texts import nginx_conf, readme

PUBLIC = "public"
LDIF = "nation.ldif"
_MARK = "static.json"
_EARLIER = ".earlier"


@dataclass(frozen=True, slots=True)
class Made:
    """What is in the folder.

    Attributes:
        files: How many files are served besides the answers.
    """

    files: int
    answers: Answers


def make_static(world: World, target: Path, progress: Callable[[str], None]) -> Made:
    """Make the nation's folder, or make it anew where an earlier one is.

    Raises:
        Conflict: Something else is there.
        KeyRefused: A responder's key cannot be opened.
        StorageFailed: The disk refused; what was there before is there still.
    """
    _require_room(target)
    at = world.clock()
    with storage_errors(f"folder {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        _put_back(target)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            made.chmod(0o755)
            done = _fill(world, made, at, progress)
            _put(made, target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return done


def _require_room(target: Path) -> None:
    """Raise Conflict unless nothing is there, or what an earlier making left."""
    try:
        there = target.exists() and any(target.iterdir())
    except OSError as error:
        raise StorageFailed(f"folder {target}", f"cannot be read: {error.strerror}") from None
    if there and not (target / _MARK).is_file():
        raise Conflict(f"folder {target}", "is not empty", remedy="Name another folder")


def _fill(world: World, made: Path, at: datetime, progress: Callable[[str], None]) -> Made:
    public, folder = made / PUBLIC, world.repository.folder
    with world.repository.exclusive():
        shutil.copytree(folder, public, ignore=shutil.ignore_patterns(".*", "*.new"))
    progress("published files")
    files = sum(1 for path in public.rglob("*") if path.is_file())
    files += _write_numbers(public)
    with (made / LDIF).open("w", encoding="ascii") as out:
        out.writelines(ldif(read_entries(public), public))
    progress("LDIF")
    practices = world.plan.practices.values()
    status = status_practice(practices)
    answers = Answers(0, 0, None)
    if answers_are_open(practices):
        answers = make_answers(world, public, at, progress)
    url = world.description.url
    (made / "nginx.conf").write_text(nginx_conf(url, status.answer_cache), encoding="ascii")
    told = readme(
        world=world.plan.name,
        marking=world.plan.marking,
        url=url,
        anchor=str(world.issuers.issuing(world.plan.anchor).id),
        answers=answers,
        made=at,
    )
    (made / "README.md").write_text(told, encoding="utf-8")
    mark = {"format": 1, "world": world.plan.name, "made": at, "answers_until": answers.until}
    (made / _MARK).write_bytes(msgspec.json.encode(mark))
    return Made(files, answers)


def _write_numbers(public: Path) -> int:
    """The numbers of every list of a scope, which our server tells when it is asked (``front.public``)."""
    scopes = [path for path in public.glob("g/*/crl/*") if path.is_dir()]
    for scope in scopes:
        numbers = sorted(int(path.stem) for path in scope.glob("*.crl"))
        (scope / "index.json").write_bytes(msgspec.json.encode({"numbers": numbers}))
    return len(scopes)


def _put_back(target: Path) -> None:
    """Put the earlier folder back in its place if whoever was replacing it died in between."""
    # mkdtemp's part has 8 letters, so none is another target's.
    for earlier in target.parent.glob(f".{glob.escape(target.name)}.????????{_EARLIER}"):
        if not target.exists():
            earlier.rename(target)
            shutil.rmtree(earlier.with_suffix(""), ignore_errors=True)
        else:  # they died after it
            shutil.rmtree(earlier, ignore_errors=True)


def _put(made: Path, target: Path) -> None:
    """Put the new folder in the place of an earlier one."""
    if not target.exists():
        made.rename(target)
        return
    earlier = made.with_name(f"{made.name}{_EARLIER}")
    target.rename(earlier)
    try:
        made.rename(target)
    except OSError:
        with suppress(OSError):
            earlier.rename(target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
