"""What tests do to a journal and its archive: deaths at every write and sync, disks that are full, copies lost."""

import errno
import os
import shutil
import signal
import threading
from datetime import UTC, datetime
from itertools import count as counting

from ca.journal.entries import RevocationEntry

AT = datetime(2015, 4, 1, tzinfo=UTC)


def entry(number=0, size=0):
    """A record's content that says its number, and as much as is asked."""
    return RevocationEntry(f"order {number}", "x" * size, AT, ())


def put(source, target):
    """Lay a copy of a folder in the place of another; an empty one if there is no source."""
    shutil.rmtree(target)
    if source is None:
        target.mkdir()
    else:
        shutil.copytree(source, target)


class Refusing:
    """A disk that has room for so many octets in files whose path has a word in it."""

    def __init__(self, monkeypatch, word, room):
        self.room = room
        write, sync, opening = os.pwrite, os.fsync, os.open
        paths = {}

        def opened(path, *args, **options):
            descriptor = opening(path, *args, **options)
            paths[descriptor] = str(path)
            return descriptor

        def written(descriptor, text, offset):
            if word in paths.get(descriptor, ""):
                text = text[: self.room]
                self.room -= len(text)
                if not text:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(descriptor, text, offset)

        def synced(descriptor):
            if self.room <= 0 and word in paths.get(descriptor, ""):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            sync(descriptor)

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "pwrite", written)
        monkeypatch.setattr(os, "fsync", synced)


def in_a_process(work):
    """Its id; it ends with 0, or with 1 if the work fails."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - it must not go on as a second pytest
            os._exit(1)
        os._exit(0)
    return child


def exit_code(child):
    """How it ended; -9 after SIGKILL."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step, part, work):
    """Do the work, but SIGKILL oneself at this write or sync, having written a part of it."""
    steps, lock = counting(1), threading.Lock()
    write, sync = os.pwrite, os.fsync

    def due():
        with lock:
            return next(steps) == step

    def written(descriptor, text, offset):
        if due():
            write(descriptor, bytes(text)[: int(len(text) * part)], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, text, offset)

    def synced(descriptor):
        if due():
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.pwrite, os.fsync = written, synced
    work()
