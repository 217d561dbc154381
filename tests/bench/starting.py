"""Starts and makings: a home of 10,000 authorities is opened; the nation is made."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import insert

from ca.chance import SystemChance, new_serial
from ca.keys.vault import SealedVault, _SealedKeyFile
from ca.rules.generations import State
from ca.store.tables import generations, key_lives
from ca.suites import SHA256_P256, KeyFamily
from tests.bench import homes, measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row, skipped
from tests.commands import COMMAND

# What a server or a command that issues does before its first certificate.
_START = """
import sys
from pathlib import Path
from statistics import median
from front.assembly import open_world
home, passphrase, authority = sys.argv[1:]
with open_world(Path(home), lambda: passphrase) as world:
    issuer = world.issuers.issuing(authority)
    issuer.signer.sign(b"the first signature", issuer.record.suite)
"""

_AUTHORITY = """
[[authorities]]
id = "post-{number:05}"
role = "government"
organisation = "gpki"
name = [["C", "JP"], ["O", "{{organisation}}"], ["OU", "Official Post CA {number:05}"]]
japanese_name = [["C", "JP"], ["O", "{{organisation_japanese}}"], ["OU", "官職認証局{number:05}"]]
service_policies = ["gpki-signature"]
holders = ["official-post"]

[[cross]]
between = ["gpki-bca", "post-{number:05}"]
policies = ["gpki-signature"]
"""

_GENPKEY = (
    'for i in $(seq "$1"); do '
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out /dev/null 2>/dev/null || exit 1; done"
)


def start(bench: Bench) -> Iterator[Row]:
    """From the start of the interpreter to the first signature of one of many authorities."""
    count = bench.scale.authorities
    bench.say(f"{count:,} authorities ...")
    processor: list[float] = []
    with bench.fresh("start") as folder:
        few = homes.make_home(folder / "few", family=KeyFamily.EC)
        many = _many_authorities(folder / "many", count)
        ours, reference = measure.in_turn(
            bench.scale.starts,
            partial(_start, many, f"post-{count // 2:05}", processor),
            partial(_start, few, "gpki-post", []),
        )
    yield Row(
        f"start with {count:,} authorities, to the first signature",
        "s",
        ours.figure,
        "the same with four",
        reference.figure,
        ours.figure / reference.figure,
        Budget("ours", "<=", 2),
        note=f"{median(processor):.2f} s of them the processor's",
    )


def making(bench: Bench) -> Iterator[Row]:
    """``kakehashi init`` with keys of its own, and with public test keys."""
    scale = bench.scale
    with bench.fresh("making") as folder:
        edition: object = scale.edition
        if edition is None:
            edition = folder / "bench.toml"
            (folder / "bench.toml").write_text(homes.edition_text(), encoding="utf-8")
        name = f"kakehashi init, {scale.edition or 'a small edition'}"
        init = [COMMAND, "init", "--edition", edition, "--home", folder / "home"]
        bench.say(f"{name} ...")
        missing = skipped(f"{name}, beside openssl genpkey", "openssl")
        others = [] if missing else [lambda: _genpkey(_keys(folder))]
        ours, *beside = measure.in_turn(scale.makings, lambda: _make(folder, init), *others)
        reference = beside[0] if beside else None
        yield Row(
            f"{name}, keys of its own",
            "s",
            ours.figure,
            f"openssl genpkey of as many RSA-2048 keys ({_keys(folder)})" if reference else "",
            reference and reference.figure,
            reference and reference.ratio,
        )
        if missing:
            yield missing
        (seeded,) = measure.in_turn(scale.makings, lambda: _make(folder, [*init, "--test-keys"]))
        yield Row(f"{name}, public test keys", "s", seeded.figure)


def _keys(folder: Path) -> int:
    """How many keys the home in this folder has."""
    return sum(1 for _ in (folder / "home" / "keys").glob("*.key.json"))


def _genpkey(keys: int) -> float:
    return measure.seconds(["sh", "-c", _GENPKEY, "sh", keys])


def _make(folder: Path, init: list[object]) -> float:
    shutil.rmtree(folder / "home", ignore_errors=True)
    return measure.seconds(init, env=homes.ENVIRONMENT)


def _start(home: Path, authority: str, processor: list[float]) -> float:
    before = measure.spent_by_commands()
    taken = measure.seconds([sys.executable, "-c", _START, home, homes.PASSPHRASE, authority])
    processor.append(measure.spent_by_commands() - before)
    return taken


def _many_authorities(folder: Path, count: int) -> Path:
    """A home with so many authorities besides its own few; their keys and rows are written without ceremony."""
    home = homes.make_home(folder, family=KeyFamily.EC)
    with homes.opened(home) as opened:
        vault, store = opened.issuers.vault, opened.world.stores.nation
        assert isinstance(vault, SealedVault), "a bench's home has keys of its own"
        now = datetime.now(UTC).replace(microsecond=0)
        rows = []
        for number in range(count):
            authority = f"post-{number:05}"
            name = f"{authority}.g1"
            key = ec.generate_private_key(ec.SECP256R1())
            pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            envelope = vault._wrapping.seal(pkcs8, f"private key {name}")
            record = _SealedKeyFile(key=name, private_key=envelope)
            (home / "keys" / f"{name}.key.json").write_bytes(msgspec.json.encode(record))
            rows.append(
                {
                    "generation": name,
                    "authority": authority,
                    "number": 1,
                    "suite": SHA256_P256.id,
                    "key": name,
                    "public_key": key.public_key().public_bytes(
                        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                    ),
                    "serial": new_serial(SystemChance(), name).octets,
                    "not_before": now,
                    "not_after": now.replace(year=now.year + 9),
                }
            )
        with store.writing() as connection:
            connection.execute(insert(generations), rows)
            columns = ("generation", "authority", "number", "suite")
            lives = [{name: row[name] for name in columns} | {"state": State.ACTIVE} for row in rows]
            connection.execute(insert(key_lives), lives)
    text = homes.edition_text(SHA256_P256) + "".join(
        _AUTHORITY.format(number=number) for number in range(count)
    )
    (home / "edition.toml").write_text(text, encoding="utf-8")
    return home
