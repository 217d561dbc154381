"""``kakehashi batch`` end to end: the command itself, from the files of a card factory to the files of its results."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ca.model import RESIDENT_KINDS
from ca.suites import KeyFamily
from front.batches.source import COLUMNS, TABLE
from tests.bench import homes, materials, measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row
from tests.commands import COMMAND

_MEGABYTE = 1_000_000


def rows(bench: Bench) -> Iterator[Row]:
    """Rate and memory, from a ZIP file and from a directory."""
    holders = bench.scale.batch // len(RESIDENT_KINDS)
    name = f"kakehashi batch, {bench.scale.batch:,} certificates"
    bench.say(f"{name}: requests ...")
    archive = _archive(bench, holders)
    for kind in ("a ZIP file", "a directory"):
        bench.say(f"{name} from {kind} ...")
        with bench.fresh("batch") as folder:
            home = homes.make_home(folder)
            source = archive
            if kind == "a directory":
                source = folder / "cards"
                with zipfile.ZipFile(archive) as opened:
                    opened.extractall(source)
            out = folder / "out"
            command = [COMMAND, "batch", source, "--approver", homes.APPROVER, "--operator", homes.OPERATOR]
            command += ["--out", out, "--home", home]
            spent = measure.watched(command, folder / "log", homes.ENVIRONMENT)
            made = sum(entry.name.endswith(".pem") for entry in os.scandir(out / "certificates"))
            if made != holders * len(RESIDENT_KINDS):
                raise RuntimeError(f"{made} certificates for {holders} holders")
        yield Row(
            f"{name}, from {kind}",
            "certificates/s, start and files included",
            made / spent.seconds,
            scale=bench.scale.batch_scale,
        )
        yield Row(
            f"{name}, from {kind}: peak memory of all its processes",
            "MB",
            spent.peak / _MEGABYTE,
            budget=Budget("ours", "<=", 300),
            scale=bench.scale.batch_scale,
        )


def _archive(bench: Bench, holders: int) -> Path:
    """A card factory's file for so many holders."""
    path = bench.kept / f"cards-{holders}.zip"
    if path.exists():
        return path
    kinds = len(RESIDENT_KINDS)
    requests = materials.requests(bench.kept, KeyFamily.RSA, holders * kinds)
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, restval="")
    writer.writeheader()
    temporary = path.with_suffix(".new")
    with zipfile.ZipFile(temporary, "w") as archive:
        for number, code in enumerate(islice(materials.codes(), holders)):
            names = (f"{number}-signature.csr", f"{number}-authentication.csr")
            for name, request in zip(names, requests[number * kinds :], strict=False):
                archive.writestr(name, request)
            writer.writerow(_fields(number, code) | dict(zip(COLUMNS[-kinds:], names, strict=True)))
        archive.writestr(TABLE, table.getvalue(), zipfile.ZIP_DEFLATED)
    temporary.replace(path)
    return path


def _fields(number: int, code: str) -> dict[str, str]:
    person = materials.person(number)
    return {
        "reference": f"card-{number}",
        "code": code,
        "name": person.name,
        "name_substitutes": person.name_substitutes,
        "sex": person.sex.name.lower().replace("_", " "),
        "birth_date": str(person.birth_date),
        "address": person.address,
        "address_substitutes": person.address_substitutes,
        "municipality": person.municipality,
    }
