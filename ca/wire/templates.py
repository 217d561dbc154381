"""To-be-signed certificates of a series: what stays is encoded once, what varies is spliced in (RFC 5280 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self, TypeAlias

from ca.profiles.drafting import CertificateDraft, PlacedExtension
from ca.profiles.extensions import CertificateExtension
from ca.wire import der
from ca.wire.extensions import encode_extension, extension_encoder
from ca.wire.names import encode_name
from ca.wire.tbs import VERSION_3, algorithm_identifier

Piece: TypeAlias = bytes | Callable[[CertificateExtension], bytes]


@dataclass(frozen=True, slots=True)
class TbsTemplate:
    """The octets of a series of certificates, with gaps for what differs from the first one.

    Attributes:
        suite_and_issuer: The fields between the serial and the validity.
        extensions: In the certificate's order: the octets of those that stay, what encodes those that vary.
    """

    suite_and_issuer: bytes
    extensions: tuple[Piece, ...]

    @classmethod
    def of(cls, first: CertificateDraft, varying: Collection[type[CertificateExtension]]) -> Self:
        """Cut a template from the first certificate of a series.

        Serial, validity and subject always vary; of the extensions those of these types do.
        """
        return cls(
            algorithm_identifier(first.suite) + encode_name(first.issuer),
            tuple(_piece(placed, varies=type(placed.value) in varying) for placed in first.extensions),
        )

    def fill(self, draft: CertificateDraft) -> bytes:
        """What ``tbs_certificate`` gives for a draft of the series."""
        extensions = [
            piece if isinstance(piece, bytes) else piece(placed.value)
            for piece, placed in zip(self.extensions, draft.extensions, strict=True)
        ]
        return der.sequence(
            VERSION_3,
            der.integer(draft.serial.value),
            self.suite_and_issuer,
            der.sequence(der.time(draft.period.not_before), der.time(draft.period.not_after)),
            encode_name(draft.subject.name),
            draft.subject.public_key,
            der.context(3, der.sequence(*extensions)),
        )


def _piece(placed: PlacedExtension, *, varies: bool) -> Piece:
    if varies:
        return extension_encoder(type(placed.value), critical=placed.critical)
    return encode_extension(placed.value, critical=placed.critical)
