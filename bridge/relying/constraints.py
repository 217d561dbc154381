"""Name constraints (RFC 5280 4.2.1.10): every name of a certificate against every constraint above it.

Names are the subject, the e-mail addresses in it, and each subjectAltName. A constraint that cannot be processed
refuses a certificate as soon as it has a name of that form; so does a name whose form cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from bridge.relying.path import CandidatePath
from bridge.relying.rejection import PathRejected, Reason
from ca.errors import BadInput
from ca.profiles import extensions as ext
from ca.wire import walk
from ca.wire.facts import NAME_CONSTRAINTS, CertificateFacts, NameFacts, read_extension, read_name

_CLAUSE = "RFC 5280 6.1.3 (b)-(c)"
_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
_SMTP_UTF8_MAILBOX = bytes.fromhex("06082b06010505070809")  # 1.3.6.1.5.5.7.8.9, RFC 9598 3

# Tags of GeneralName (RFC 5280 4.2.1.6); otherName, x400Address, ediPartyName and registeredID are never compared.
_OTHER, _EMAIL, _DNS, _DIRECTORY, _URI, _ADDRESS = 0xA0, 0x81, 0x82, 0xA4, 0x86, 0x87

# What readers of URIs understand in one way: no spaces and no backslashes, and a host without escapes.
_PLAIN_URI = re.compile(r"[!-\[\]-~]+")
# Characters of a name that is compared: each comparison costs time, and no host has more than 253 (RFC 1035 2.3.4).
_TEXT_OCTETS = 2048
# otherName, rfc822Name, dNSName, x400Address, directoryName, ediPartyName, URI, iPAddress, registeredID (RFC 5280 4.2.1.6).
_FORMS = frozenset({0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88})
_HOST = re.compile(r"[a-z0-9._-]+")

T = TypeVar("T")
_Kind = Literal["permitted", "excluded"]
_Network = IPv4Network | IPv6Network


class _Uncomparable(ValueError):
    """A name, or a constraint, has a form that is not compared here."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A GeneralName: its tag, and the octets of its contents."""

    form: int
    value: bytes
    directory: NameFacts | None = None


@dataclass(frozen=True, slots=True)
class _Subtree:
    """A GeneralSubtree; bounds other than 0 to infinity are not processed (RFC 5280 4.2.1.10)."""

    base: _Name
    bounded: bool


@dataclass(frozen=True, slots=True)
class _Constraints:
    """What one certificate says of the names below it."""

    permitted: tuple[_Subtree, ...]
    excluded: tuple[_Subtree, ...]


def check_names(path: CandidatePath, limit: int) -> None:
    """Raise PathRejected at the first certificate with a name that one above it does not allow.

    Self-issued certificates are not bound, but for the last one. Of an anchor only name and key count (6.1.1 (d)).

    Args:
        path: The candidate.
        limit: How many comparisons there may be (``Limits.names``); more are CANNOT_TELL.
    """
    above: list[_Constraints] = []
    compared = 0
    for step, certificate in enumerate(path.certificates):
        if above and (step == path.last or certificate.issuer != certificate.subject):
            names = _read(step, certificate, _names)
            compared += len(names) * sum(len(one.permitted) + len(one.excluded) for one in above)
            if compared > limit:
                raise PathRejected(
                    certificate.place,
                    f"cannot tell, because its names and the constraints on them need over {limit} comparisons",
                    step=step,
                    reason=Reason.CANNOT_TELL,
                    clause=_CLAUSE,
                )
            _check(step, certificate, names, above)
        constraints = _read(step, certificate, _constraints) if 0 < step < path.last else None
        if constraints is not None:
            above.append(constraints)


def _check(step: int, certificate: CertificateFacts, names: list[_Name], above: list[_Constraints]) -> None:
    for constraints in above:
        for name in names:
            if not _is_allowed(name, constraints):
                raise PathRejected(
                    certificate.place,
                    "has a name that is excluded, or not permitted, above it",
                    step=step,
                    reason=Reason.CONSTRAINT,
                    clause=_CLAUSE,
                )


def _is_allowed(name: _Name, constraints: _Constraints) -> bool:
    """Whether one certificate's constraints leave this name standing."""
    try:
        if any(_contains(one, name, "excluded") for one in constraints.excluded):
            return False
        # All are compared: what cannot be compared refuses, wherever it stands.
        permits = [_contains(one, name, "permitted") for one in constraints.permitted if _concerns(one, name)]
        return not permits or any(permits)
    except _Uncomparable:
        return False


def _concerns(tree: _Subtree, name: _Name) -> bool:
    """Whether name and constraint are of one form; internationalised mailboxes are mail addresses (RFC 9598 6)."""
    return tree.base.form == name.form or (
        tree.base.form == _EMAIL and name.form == _OTHER and name.value.startswith(_SMTP_UTF8_MAILBOX)
    )


def _contains(tree: _Subtree, name: _Name, kind: _Kind) -> bool:
    """Whether the name lies in the subtree. Where there is doubt, it lies in none permitted and in each excluded."""
    if not _concerns(tree, name):
        return False
    compare = _COMPARE.get(name.form)
    if compare is None or tree.bounded:
        raise _Uncomparable
    return compare(tree.base, name, kind)


def _directory(base: _Name, name: _Name, kind: _Kind) -> bool:
    """The constraint's steps are the first ones of the name (RFC 5280 7.1)."""
    del kind
    assert base.directory is not None, "a directory name is read as one"
    assert name.directory is not None, "a directory name is read as one"
    steps = base.directory.folded
    return name.directory.folded[: len(steps)] == steps


def _dns(base: _Name, name: _Name, kind: _Kind) -> bool:
    """Labels are added on the left of the constraint; none are if it is empty."""
    wanted = _text(base)
    if wanted.startswith("."):
        raise _Uncomparable  # a form of the URI's constraint alone
    labels, given = _labels(wanted), _labels(_text(name))
    if not all(one == "*" or _HOST.fullmatch(one) for one in (*labels, *given)):
        raise _Uncomparable
    if len(given) < len(labels):
        return False
    pairs = zip(reversed(given), reversed(labels), strict=False)
    # What a wildcard stands for may be what is excluded.
    return all(one == other or (one == "*" and kind == "excluded") for one, other in pairs)


def _email(base: _Name, name: _Name, kind: _Kind) -> bool:
    """A mailbox, all mailboxes of a host, or those of all hosts below a domain."""
    local, at, host = _text(name, lower=False).rpartition("@")
    wanted, with_mailbox, wanted_host = _text(base, lower=False).rpartition("@")
    if not at:
        raise _Uncomparable
    if with_mailbox:  # the part before the @ tells large letters from small ones (RFC 5321 2.4)
        same = local == wanted if kind == "permitted" else local.lower() == wanted.lower()
        return same and _labels(host.lower()) == _labels(wanted_host.lower())
    return _host(wanted_host.lower(), host.lower())


def _uri(base: _Name, name: _Name, kind: _Kind) -> bool:
    """The host of the URI, which must be a name: a host, or all hosts below a domain."""
    del kind
    text = _text(name)
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        raise _Uncomparable from None
    if not _PLAIN_URI.fullmatch(text) or not _HOST.fullmatch(host) or _is_address(host):
        raise _Uncomparable
    return _host(_text(base), host)


def _host(wanted: str, host: str) -> bool:
    if not wanted or not host:
        raise _Uncomparable
    if wanted.startswith("."):
        below, suffix = _labels(host), _labels(wanted[1:])
        return len(below) > len(suffix) and below[-len(suffix) :] == suffix
    return _labels(host) == _labels(wanted)


def _address(base: _Name, name: _Name, kind: _Kind) -> bool:
    """An address in the network that a constraint's address and mask are."""
    del kind
    if len(name.value) not in (4, 16) or len(base.value) not in (8, 32):
        raise _Uncomparable
    network = _network(base.value)
    return len(base.value) == 2 * len(name.value) and ip_address(name.value) in network


def _network(value: bytes) -> _Network:
    half = len(value) // 2
    mask = int.from_bytes(value[half:])
    ones = mask.bit_count()
    if mask != ((1 << ones) - 1) << (half * 8 - ones):
        raise _Uncomparable  # a mask with gaps
    return ip_network((value[:half], ones), strict=False)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_COMPARE: dict[int, Callable[[_Name, _Name, _Kind], bool]] = {
    _DIRECTORY: _directory,
    _DNS: _dns,
    _EMAIL: _email,
    _URI: _uri,
    _ADDRESS: _address,
}


def _labels(host: str) -> list[str]:
    """The labels of a host; a dot at the end stands for the root."""
    return host.removesuffix(".").split(".") if host.removesuffix(".") else []


def _text(name: _Name, *, lower: bool = True) -> str:
    if len(name.value) > _TEXT_OCTETS:
        raise _Uncomparable
    try:
        text = name.value.decode("ascii")
    except UnicodeDecodeError:
        raise _Uncomparable from None
    if "\0" in text:
        raise _Uncomparable
    return text.lower() if lower else text


def _names(certificate: CertificateFacts) -> list[_Name]:
    """Every name of a certificate."""
    found = [_Name(_DIRECTORY, b"", certificate.subject)] if certificate.subject.folded else []
    found += [_Name(_EMAIL, value.encode()) for value in certificate.subject.values(_EMAIL_ADDRESS)]
    for extension in certificate.extensions:
        if extension.oid == ext.SubjectOtherNames.oid:
            found += _general_names(extension.value)
    return found


def _general_names(value: bytes) -> Iterator[_Name]:
    sequence = walk.only(value, 0x30)
    for element in walk.elements(value, sequence.start, sequence.end):
        yield _general_name(value, element)


def _general_name(octets: bytes, element: walk.Element) -> _Name:
    if element.tag not in _FORMS:
        raise walk.NotDer
    contents = element.contents(octets)
    directory = read_name(contents, "a directory name") if element.tag == _DIRECTORY else None
    return _Name(element.tag, contents, directory)


def _constraints(certificate: CertificateFacts) -> _Constraints | None:
    return read_extension(certificate.extensions, NAME_CONSTRAINTS, certificate.place, _read_constraints)


def _read_constraints(value: bytes) -> _Constraints:
    sequence = walk.only(value, 0x30)
    found: dict[int, tuple[_Subtree, ...]] = {}
    for part in walk.elements(value, sequence.start, sequence.end):
        if part.tag not in (0xA0, 0xA1) or part.tag in found:
            raise walk.NotDer
        found[part.tag] = tuple(_subtrees(value, part))
    return _Constraints(found.get(0xA0, ()), found.get(0xA1, ()))


def _subtrees(value: bytes, part: walk.Element) -> Iterator[_Subtree]:
    for element in walk.elements(value, part.start, part.end):
        walk.expect(0x30, element)
        base, *bounds = walk.elements(value, element.start, element.end)
        # X.690 11.5 leaves out a minimum of 0; old encoders write it.
        meant = [bound.whole(value) for bound in bounds]
        yield _Subtree(_general_name(value, base), meant not in ([], [b"\x80\x01\x00"]))


def _read(step: int, certificate: CertificateFacts, read: Callable[[CertificateFacts], T]) -> T:
    try:
        with walk.reading(certificate.place, "its names or name constraints"):
            return read(certificate)
    except BadInput as error:
        raise PathRejected(
            error.place, error.problem, step=step, reason=Reason.STRUCTURE, clause="RFC 5280 4.2.1.10"
        ) from error
