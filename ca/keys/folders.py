"""What tells the two kinds of key folder apart, so that neither is ever taken for the other."""

from __future__ import annotations

import os
from pathlib import Path

from ca.errors import KeyRefused

KEY_SUFFIX = ".key.json"
WRAPPING = "wrapping.json"
SEED = "seed.json"


def refuse_test_world(folder: Path) -> None:
    """Raise KeyRefused if the folder holds public test keys."""
    if os.path.lexists(folder / SEED):
        raise KeyRefused(
            str(folder),
            "holds public test keys; it cannot be opened as sealed",
            remedy="Keep a real world's keys in a folder of their own",
        )


def refuse_real_world(folder: Path) -> None:
    """Raise KeyRefused if the folder holds sealed keys."""
    if os.path.lexists(folder / WRAPPING):
        raise KeyRefused(
            str(folder),
            "holds sealed keys; it cannot be used for public test keys",
            remedy="Take another folder",
        )


def refuse_orphans(folder: Path, head: Path) -> None:
    """Raise KeyRefused if there are keys without the file that begins their folder."""
    if any(folder.glob(f"*{KEY_SUFFIX}")):
        raise KeyRefused(
            str(head),
            "is missing, and the keys beside it cannot be opened without it",
            remedy="Restore it from the backup of the keys",
        )
