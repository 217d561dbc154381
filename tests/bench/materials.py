"""What certificates are made of: requests on distinct keys, made once and kept; and the people who hold them.

Making 100,000 RSA keys would take an hour and a half, so each key is a pair of primes out of a few hundred: no two keys
are the same, and each costs as much to read, check and certify as any other. They are PUBLIC TEST KEYS, if that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count, islice
from math import isqrt
from multiprocessing import get_context
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.birth import BirthDate
from ca.errors import BadInput
from ca.issuing.batch import BatchRow
from ca.keys.kinds import EXPONENT
from ca.model import RESIDENT_KINDS, MunicipalityCode, Resident, ResidentCode, resident_code
from ca.suites import KeyFamily
from tests.engine_world import RESIDENT, csr_of

_CHUNK = 1024
_TOWNS = ("312011", "312029", "312037", "312045")  # the four cities of Tottori


def requests(folder: Path, family: KeyFamily, wanted: int) -> list[bytes]:
    """So many PKCS#10 requests in DER, each on a key of its own; those made before are taken from the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [folder / f"{family.lower()}-{index:05}.msgpack" for index in range(-(-wanted // _CHUNK))]
    missing = [(index, path) for index, path in enumerate(chunks) if not path.exists()]
    if missing:
        primes = _primes(folder, len(chunks) * _CHUNK) if family is KeyFamily.RSA else []
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(_make_chunk, primes), missing))
    found: list[bytes] = []
    for path in chunks:
        found += msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
    return found[:wanted]


def row(number: int, csrs: tuple[bytes, bytes]) -> BatchRow:
    """The holder of this number, counted from 0, who asks for both kinds."""
    return BatchRow(
        number + 1,
        person(number),
        hashlib.sha256(b"holder %d" % number).digest(),
        None,
        tuple(zip(RESIDENT_KINDS, csrs, strict=True)),
    )


def person(number: int) -> Resident:
    """One of as many residents as are wanted, none of whom exists."""
    return replace(
        RESIDENT,
        name=f"{RESIDENT.name}{number % 10}",
        name_substitutes=f"{RESIDENT.name_substitutes}0",
        birth_date=BirthDate(1940 + number % 60, 1 + number % 12, 1 + number % 28),
        municipality=MunicipalityCode(_TOWNS[number % len(_TOWNS)]),
    )


def codes() -> Iterator[ResidentCode]:
    """Residents' codes, each with the check digit that it needs."""
    for number in count(1):
        for check in range(10):
            try:
                yield resident_code(f"{number:010}{check}")
            except BadInput:
                continue


def _make_chunk(primes: list[bytes], task: tuple[int, Path]) -> None:
    index, path = task
    numbers = range(index * _CHUNK, (index + 1) * _CHUNK)
    keys = (_rsa_key(primes, number) for number in numbers) if primes else map(_ec_key, numbers)
    content = msgspec.msgpack.encode([csr_of(key, "bench") for key in keys])
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def _ec_key(_: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _rsa_key(primes: list[bytes], number: int) -> rsa.RSAPrivateKey:
    """The key of the pair of primes that has this number; more primes leave the numbers as they are."""
    larger = (1 + isqrt(1 + 8 * number)) // 2
    first, second = number - larger * (larger - 1) // 2, larger
    p, q = (int.from_bytes(primes[place], "big") for place in (first, second))
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)


def _primes(folder: Path, keys: int) -> list[bytes]:
    """Primes of 1,024 bits, enough for so many pairs."""
    path = folder / "primes.msgpack"
    found = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes]) if path.exists() else []
    enough = (1 + isqrt(1 + 8 * keys)) // 2 + 1
    if len(found) < enough:
        found += islice(_new_primes(), enough - len(found))
        path.write_bytes(msgspec.msgpack.encode(found))
    return found


def _new_primes() -> Iterator[bytes]:
    while True:
        made = rsa.generate_private_key(EXPONENT, 2048).private_numbers()
        yield made.p.to_bytes(128, "big")
        yield made.q.to_bytes(128, "big")
