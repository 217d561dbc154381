"""The folder of a home that keeps its keys: sealed under a passphrase, or in a test world merely named.

A sealed folder holds ``wrapping.json`` (salt and costs, a check of the passphrase, the residents' code key) and a
PKCS#8 in ``<key id>.key.json`` for each key; ``ca.keys.sealing`` says how they are encrypted. A key is bound to
its id, so a file that was renamed or put in another's place is refused.

A test folder holds ``seed.json`` and for each key a file of the same name that gives a place in the public pool.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, ClassVar, NewType, Protocol, final

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from ca.chance import SeededChance
from ca.errors import BadInput, KeyRefused
from ca.keys import files, pool
from ca.keys.folders import KEY_SUFFIX, SEED, WRAPPING, refuse_orphans, refuse_real_world, refuse_test_world
from ca.keys.kinds import PrivateKey, make
from ca.keys.sealing import KEY_OCTETS, Envelope, Scrypt, WrappingKey, require_strength
from ca.keys.signer import Signer, SoftwareSigner, key_identifier
from ca.suites import Suite

KeyId = NewType("KeyId", str)
"""The name of a key in its vault, such as ``jpki-13.g1`` or ``jpki-13.g1.ocsp``; safe as a file name."""

_KEY_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")
_WRAPPING_WORDS = "the wrapping of a sealed key folder"
_CODE_KEY = "residents' code key"


def key_id(text: str) -> KeyId:
    """Read the name of a key, or raise BadInput."""
    if not _KEY_ID.fullmatch(text):
        raise BadInput(
            "key id",
            f"{text!r} is not lower-case letters, digits, dots and hyphens, at most 80, beginning with neither",
        )
    return KeyId(text)


class KeyVault(Protocol):
    """Where the keys of a home lie. Safe to use from several threads; opened signers are kept."""

    def create(self, key: KeyId, suite: Suite) -> Signer:
        """Make the key if it is not there, else open it, so that an interrupted making is completed.

        Raises:
            KeyRefused: The key is there and damaged, another key's, or not one for this suite.
            StorageFailed: The disk refused; nothing of the key was kept.
        """
        ...

    def signer(self, key: KeyId) -> Signer:
        """The signer of this key; KeyRefused if its file is missing, damaged, or that of another key."""
        ...

    def code_key(self) -> bytes:
        """The 32 octets under which residents' codes are kept as HMAC-SHA-256."""
        ...

    def close(self) -> None:
        """Let go of what was opened; signers of this vault are not used after."""
        ...


class _FolderVault(ABC):
    """What both kinds of vault share: a file a key, and signers that are opened once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signers: dict[KeyId, SoftwareSigner] = {}
        self._lock = threading.Lock()

    def create(self, key: KeyId, suite: Suite) -> Signer:
        """Make the key if it is not there, else open it; see KeyVault."""
        path = self._path(key)
        if key not in self._signers and not os.path.lexists(path):
            self._make_key(key, path, suite)
        # The signer is read back from the file: a key that cannot be opened again never signs anything.
        signer = self._signer(key)
        signer.require(suite)
        return signer

    def signer(self, key: KeyId) -> Signer:
        """The signer of this key; see KeyVault."""
        return self._signer(key)

    def close(self) -> None:
        """Let go of what was opened; see KeyVault."""
        self._signers.clear()

    def hand_over(self, key: KeyId, to: SealedVault) -> None:
        """Give another vault this key too; it is wrapped there under that one's own passphrase.

        Raises:
            KeyRefused: The key is missing or damaged here, or another one has its name there.
            StorageFailed: The disk refused.
        """
        to.take(key, self._open_key(key, self._path(key)))

    def _signer(self, key: KeyId) -> SoftwareSigner:
        signer = self._signers.get(key)
        if signer is None:
            opened = SoftwareSigner(key, self._open_key(key, self._path(key)))
            with self._lock:
                signer = self._signers.setdefault(key, opened)
        return signer

    def _path(self, key: KeyId) -> Path:
        return self._folder / (key_id(key) + KEY_SUFFIX)

    @abstractmethod
    def _make_key(self, key: KeyId, path: Path, suite: Suite) -> None:
        """Place a file for a new key."""

    @abstractmethod
    def _open_key(self, key: KeyId, path: Path) -> PrivateKey:
        """The private key of this file, or KeyRefused."""


class _WrappingFile(files.Record, frozen=True, kw_only=True):
    scrypt: Scrypt
    check: Annotated[bytes, msgspec.Meta(min_length=28, max_length=28)]
    code_key: Envelope


class _SealedKeyFile(files.Record, frozen=True, kw_only=True):
    key: Annotated[str, msgspec.Meta(max_length=80)]
    private_key: Envelope


@final
class SealedVault(_FolderVault):
    """The vault of a real world: every key encrypted, opened by the operator's passphrase."""

    def __init__(self, folder: Path, wrapping: WrappingKey, code_key: bytes) -> None:
        super().__init__(folder)
        self._wrapping = wrapping
        self._code_key = code_key

    def __repr__(self) -> str:
        return f"SealedVault({str(self._folder)!r})"

    @classmethod
    def make(cls, folder: Path, passphrase: str) -> SealedVault:
        """Make the folder (mode 0700) and its wrapping, or open the vault that is there already.

        Raises:
            PassphraseRefused: Too short for a new vault, or not the passphrase of the vault that is there.
            KeyRefused: The folder holds public test keys, or keys whose wrapping is lost.
            StorageFailed: The disk refused.
        """
        refuse_test_world(folder)
        path = folder / WRAPPING
        if os.path.lexists(path):
            vault = cls.open(folder, passphrase)
            files.prepare(folder)
            return vault
        require_strength(passphrase)
        refuse_orphans(folder, path)
        files.prepare(folder)
        scrypt = Scrypt.fresh()
        wrapping = WrappingKey.derive(passphrase, scrypt)
        code_key = secrets.token_bytes(KEY_OCTETS)
        record = _WrappingFile(
            scrypt=scrypt, check=wrapping.check_value(), code_key=wrapping.seal(code_key, _CODE_KEY)
        )
        files.place(path, record)
        # Another process may have been faster; then its wrapping counts.
        if files.read(path, _WrappingFile, _WRAPPING_WORDS) != record:
            return cls.open(folder, passphrase)
        return cls(folder, wrapping, code_key)

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> SealedVault:
        """Open a vault; this is the one place where a start pays for scrypt.

        Raises:
            PassphraseRefused: Not this vault's passphrase.
            KeyRefused: No vault, a damaged one, one of a newer version, or a folder of public test keys.
        """
        refuse_test_world(folder)
        path = folder / WRAPPING
        record = files.read(path, _WrappingFile, _WRAPPING_WORDS)
        wrapping = WrappingKey.derive(passphrase, record.scrypt)
        wrapping.require(record.check, path)
        return cls(folder, wrapping, wrapping.unseal(record.code_key, _CODE_KEY, path))

    def code_key(self) -> bytes:
        """The 32 octets under which residents' codes are kept as HMAC-SHA-256; made with the vault."""
        return self._code_key

    def take(self, key: KeyId, private: PrivateKey) -> None:
        """Keep a key that comes from elsewhere, unless it is here; KeyRefused if another one has its name."""
        self._seal(key, self._path(key), private)
        if self._signer(key).public_key != SoftwareSigner(key, private).public_key:
            raise KeyRefused(str(self._path(key)), "is another key of the same name")

    def _make_key(self, key: KeyId, path: Path, suite: Suite) -> None:
        self._seal(key, path, make(suite))

    def _seal(self, key: KeyId, path: Path, private: PrivateKey) -> None:
        pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        envelope = self._wrapping.seal(pkcs8, f"private key {key}")
        files.place(path, _SealedKeyFile(key=key, private_key=envelope))

    def _open_key(self, key: KeyId, path: Path) -> PrivateKey:
        record = files.read(path, _SealedKeyFile, "a sealed key file")
        if record.key != key:
            raise KeyRefused(str(path), f"is the file of another key, {record.key!r}")
        pkcs8 = self._wrapping.unseal(record.private_key, f"private key {key}", path)
        # The tag proves that these are the octets we wrote; proving the primes again would cost 31 ms a key.
        private = load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(private, PrivateKey), "no other keys are made"
        return private


class _SeedFile(files.Record, frozen=True, kw_only=True):
    warning: str = pool.WARNING
    seed: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _TestKeyFile(files.Record, frozen=True, kw_only=True):
    key: Annotated[str, msgspec.Meta(max_length=80)]
    public_test_key: Annotated[int, msgspec.Meta(ge=0, lt=pool.POOL_SIZE)]
    key_identifier: str  # so that a slip in the place cannot give another key
    warning: str = pool.WARNING


@final
class TestVault(_FolderVault):
    """The vault of a seeded test world: its files only name keys of the public pool. Never for production.

    A new key is the first in the seed's order of the pool that no file of the folder names. So the assignment
    depends on the order of creation: callers create a world's keys in one fixed order, and completing an
    interrupted making in that order gives the same world.
    """

    __test__: ClassVar[bool] = False  # pytest: the name begins with Test, and it is none

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self._chance = SeededChance(seed)
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"TestVault({str(self._folder)!r}, PUBLIC TEST KEYS)"

    @classmethod
    def make(cls, folder: Path, seed: int) -> TestVault:
        """Make the folder for this seed (0 to 2**63 - 1), or open the one that is there with the same seed.

        Raises:
            BadInput: The seed is out of range.
            KeyRefused: The folder holds sealed keys, or was made with another seed.
            StorageFailed: The disk refused.
        """
        if not 0 <= seed < 1 << 63:
            raise BadInput("seed", f"{seed} is not in 0 to 2**63 - 1")
        refuse_real_world(folder)
        path = folder / SEED
        if not os.path.lexists(path):
            refuse_orphans(folder, path)
            files.prepare(folder)
            files.place(path, _SeedFile(seed=seed))
        if _read_seed(folder) != seed:
            raise KeyRefused(str(path), f"says that this test world has another seed than {seed}")
        files.prepare(folder)
        return cls(folder, seed)

    @classmethod
    def open(cls, folder: Path) -> TestVault:
        """Open a folder of test keys; KeyRefused if there is none, or the keys are sealed."""
        refuse_real_world(folder)
        return cls(folder, _read_seed(folder))

    def code_key(self) -> bytes:
        """The 32 octets under which residents' codes are kept; in a test world the seed gives them."""
        return self._chance.octets(_CODE_KEY, KEY_OCTETS)

    def _make_key(self, key: KeyId, path: Path, suite: Suite) -> None:
        pool.require_fit(suite)
        with self._making:
            if os.path.lexists(path):
                return
            named = {
                files.read(file, _TestKeyFile, "a file that names a public test key").public_test_key
                for file in self._folder.glob(f"*{KEY_SUFFIX}")
            }
            for index in pool.order(self._chance):
                if index not in named:
                    identifier = _identifier(pool.public_test_key(index))
                    record = _TestKeyFile(key=key, public_test_key=index, key_identifier=identifier)
                    files.place(path, record)
                    return
        raise KeyRefused(f"key {key}", f"the pool has {pool.POOL_SIZE} public test keys, and all are taken")

    def _open_key(self, key: KeyId, path: Path) -> rsa.RSAPrivateKey:
        record = files.read(path, _TestKeyFile, "a file that names a public test key")
        if record.key != key:
            raise KeyRefused(str(path), f"is the file of another key, {record.key!r}")
        private = pool.public_test_key(record.public_test_key)
        if record.key_identifier != _identifier(private):
            raise KeyRefused(str(path), "does not give the key identifier of the public test key it names")
        return private


def _identifier(private: rsa.RSAPrivateKey) -> str:
    """The key identifier (RFC 5280 4.2.1.2 method 1) in hexadecimal digits."""
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key_identifier(spki).hex()


def _read_seed(folder: Path) -> int:
    return files.read(folder / SEED, _SeedFile, "the seed of a folder of public test keys").seed
