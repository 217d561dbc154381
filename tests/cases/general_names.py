"""Names in words and in DER: distinguished names in several spellings, and general names for constraints."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from functools import cache

from asn1crypto import core, x509

from tests.cases.parties import steps_of
from tests.relying_world import Steps


class Spelling(StrEnum):
    """How a distinguished name is written; RFC 5280 7.1 says that all of these are one name."""

    UTF8 = "UTF8String"
    PRINTABLE = "PrintableString"
    TELETEX = "TeletexString"
    CAPITALS = "capitals"
    SPACES = "spaces"


_STRINGS = {Spelling.PRINTABLE: "printable_string", Spelling.TELETEX: "teletex_string"}


def encoded(steps: Steps, spelling: Spelling = Spelling.UTF8) -> x509.Name:
    """A distinguished name; the country is a PrintableString in every spelling (X.520)."""

    def step(kind: str, value: str) -> x509.RelativeDistinguishedName:
        country = kind == "country_name"
        if spelling is Spelling.CAPITALS:
            value = value.upper()
        if spelling is Spelling.SPACES and not country:
            value = f"  {value.replace(' ', '   ')} "
        string = _STRINGS.get(Spelling.PRINTABLE if country else spelling, "utf8_string")
        text = x509.DirectoryString(name=string, value=value)
        return x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": kind, "value": text})])

    return x509.Name(name="", value=x509.RDNSequence([step(*pair) for pair in steps]))


@cache
def name_der(steps: Steps) -> bytes:
    """A distinguished name in DER."""
    octets: bytes = encoded(steps).dump()
    return octets


def directory(steps: Steps, spelling: Spelling = Spelling.UTF8) -> x509.GeneralName:
    """A distinguished name as a general name."""
    return x509.GeneralName(name="directory_name", value=encoded(steps, spelling))


def url(text: str) -> x509.GeneralName:
    """A URL as a general name."""
    return x509.GeneralName(name="uniform_resource_identifier", value=x509.URI(text))


def general_name(words: str, *, plain: bool) -> x509.GeneralName:
    """A general name from its kind and value, as ``mail example.jp`` or ``directory O=JPKI-TEST``; else ValueError.

    ``plain`` takes the mark of test worlds off, for a world of production.
    """
    kind, _, value = words.partition(" ")
    match kind:
        case "directory":
            steps = steps_of(value) if "=" not in value else _steps(value)
            return directory(unmarked(steps) if plain else steps)
        case "mail":
            return x509.GeneralName(name="rfc822_name", value=x509.EmailAddress(value))
        case "dns":
            return x509.GeneralName(name="dns_name", value=x509.DNSName(value))
        case "url":
            return url(value)
        case "ip":
            network = ipaddress.ip_network(value)
            mask = network.netmask.packed if "/" in value else b""
            octets = x509.IPAddress(contents=network.network_address.packed + mask)
            return x509.GeneralName(name="ip_address", value=octets)
        case "registered":
            return x509.GeneralName(name="registered_id", value=core.ObjectIdentifier(value))
    raise ValueError(f"{words!r} is no general name")


def unmarked(steps: Steps) -> Steps:
    """A name without the mark of test worlds."""
    return tuple((kind, value.removesuffix("-TEST")) for kind, value in steps)


_KINDS = {
    "C": "country_name",
    "O": "organization_name",
    "OU": "organizational_unit_name",
    "L": "locality_name",
    "CN": "common_name",
}


def _steps(words: str) -> Steps:
    pairs = [word.partition("=") for word in words.split("/")]
    return tuple((_KINDS[kind], value) for kind, _, value in pairs)
