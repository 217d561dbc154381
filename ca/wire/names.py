"""Distinguished names as DER."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from ca.names import Attribute, DirectoryName
from ca.wire import der

_TYPES: Mapping[Attribute, str] = MappingProxyType(
    {
        Attribute.C: "2.5.4.6",
        Attribute.O: "2.5.4.10",
        Attribute.OU: "2.5.4.11",
        Attribute.L: "2.5.4.7",
        Attribute.CN: "2.5.4.3",
    }
)


def encode_name(name: DirectoryName) -> bytes:
    """An RDNSequence of single-valued steps; country as PrintableString, all else as UTF8String.

    A name that its CA writes otherwise is given as that one writes it.
    """
    if name.encoded is not None:
        return name.encoded
    return der.sequence(*[_step(attribute, value) for attribute, value in name.steps])


@lru_cache(maxsize=8192)  # names are many, yet most of their steps repeat
def _step(attribute: Attribute, value: str) -> bytes:
    text = der.printable(value) if attribute is Attribute.C else der.utf8(value)
    return der.set_of_one(der.sequence(der.oid(_TYPES[attribute]), text))


def directory_name(name: DirectoryName) -> bytes:
    """GeneralName directoryName: ``[4]``, explicit since Name is a CHOICE (RFC 5280 4.2.1.6)."""
    return der.context(4, encode_name(name))
