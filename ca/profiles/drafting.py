"""A profile is data: which extensions, in which order, how critical, and what may never vary.

A draft is a certificate before it is bytes. Only a profile makes one, and no argument can add an extension or
change a fixed one: a holder's certificate cannot become a CA's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ca.model import CertificateKind, Period, Serial
from ca.names import DirectoryName
from ca.profiles.extensions import CertificateExtension, KeyUsage, KeyUse
from ca.suites import Suite

T = TypeVar("T", bound=CertificateExtension)


@dataclass(frozen=True, slots=True)
class PlacedExtension:
    """An extension value and its criticality, as it will stand in the certificate."""

    value: CertificateExtension
    critical: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """One extension's place in a profile.

    Attributes:
        extension: The type of value that stands here.
        fixed: The value itself where the profile leaves no choice; else it comes with the contents.
        default: The value that stands here where the contents have none.
        placed: The fixed value as it will stand in every certificate.
    """

    extension: type[CertificateExtension]
    critical: bool = False
    fixed: CertificateExtension | None = None
    optional: bool = False
    default: CertificateExtension | None = None
    placed: PlacedExtension | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        placed = None if self.fixed is None else PlacedExtension(self.fixed, self.critical)
        object.__setattr__(self, "placed", placed)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is for: the name and the encoded SubjectPublicKeyInfo."""

    name: DirectoryName
    public_key: bytes


@dataclass(frozen=True, slots=True)
class CertificateDraft:
    """Everything that a to-be-signed certificate says, in order (RFC 5280 4.1.2)."""

    kind: CertificateKind
    serial: Serial
    suite: Suite
    issuer: DirectoryName
    period: Period
    subject: Subject
    extensions: tuple[PlacedExtension, ...]

    def extension(self, wanted: type[T]) -> T | None:
        """The value of this type, if the draft has one."""
        for placed in self.extensions:
            if type(placed.value) is wanted:
                return placed.value
        return None


@dataclass(frozen=True, slots=True)
class CertificateProfile:
    """A kind of certificate as data: its extensions in their order."""

    kind: CertificateKind
    slots: tuple[Slot, ...]

    @property
    def uses(self) -> frozenset[KeyUse]:
        """What keys of this kind are for, in every certificate of it."""
        fixed = (slot.fixed for slot in self.slots)
        return frozenset(use for value in fixed if isinstance(value, KeyUsage) for use in value.uses)

    def narrowed(self, contents: Iterable[CertificateExtension]) -> CertificateProfile:
        """This profile for a series of certificates that all have these values.

        They are fixed; an optional slot without one stays empty in the whole series, and every other has to be filled.
        """
        given = {type(value): value for value in contents}
        slots: list[Slot] = []
        for slot in self.slots:
            if slot.fixed is None and slot.extension in given:
                slots.append(replace(slot, fixed=given.pop(slot.extension), optional=False))
            elif not slot.optional:
                slots.append(slot)
        assert not given, f"{self.kind} has no place for {[kind.__name__ for kind in given]}"
        return CertificateProfile(self.kind, tuple(slots))

    def draft(
        self,
        *,
        serial: Serial,
        suite: Suite,
        issuer: DirectoryName,
        period: Period,
        subject: Subject,
        contents: Iterable[CertificateExtension],
    ) -> CertificateDraft:
        """Fill the slots.

        ``contents`` are the values of the slots that are not fixed, one of each type, in any order; a value
        without a slot, a second value for one, or a slot left empty is an error of the calling code.
        """
        values = list(contents)
        given = {type(value): value for value in values}
        assert len(given) == len(values), "one value of each type"
        placed: list[PlacedExtension] = []
        for slot in self.slots:
            if slot.placed is not None:
                placed.append(slot.placed)
                continue
            value = given.pop(slot.extension, None) or slot.default
            if value is None:
                assert slot.optional, f"{self.kind} needs {slot.extension.__name__}"
                continue
            placed.append(PlacedExtension(value, slot.critical))
        assert not given, f"{self.kind} has no place for {[kind.__name__ for kind in given]}"
        return CertificateDraft(self.kind, serial, suite, issuer, period, subject, tuple(placed))
