"""What certificates and lists themselves name as a source: URLs of issuers, of what a CA issued, of lists and answers.

Over HTTP alone (RFC 5280 8), without following anybody elsewhere: who asks for a hostile certificate must not be made to
ask his own machines. Servers at addresses that are not everybody's (loopback, private networks) are asked only where
that is allowed, as in a laboratory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, partial
from ipaddress import ip_address, ip_network
from typing import Final, NoReturn

from asn1crypto import x509

from bridge.directory.wire import Deadline
from bridge.relying.budget import ANSWER_LIMIT, USUAL, Budget, Limits
from bridge.relying.finding.fetch import HttpSource
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.material import Reading
from bridge.relying.finding.points import Point, read_points
from ca.errors import BadInput
from ca.lint.key_info import key_info
from ca.model import GenerationId
from ca.profiles import extensions as ext
from ca.wire import der
from ca.wire.cms_facts import CERTS_ONLY_LIMIT, read_certs_only
from ca.wire.facts import CertificateFacts, ExtensionFacts, NameFacts, read_certificate, read_extension
from ca.wire.list_facts import LIST_LIMIT, read_list

AUTHORITY_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
SUBJECT_ACCESS: Final = "1.3.6.1.5.5.7.1.11"
OCSP: Final = "1.3.6.1.5.5.7.48.1"
CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"
CA_REPOSITORY: Final = "1.3.6.1.5.5.7.48.5"

# What Python calls global, and is, or leads to, an address of IPv4 within: translated (RFC 6052, 8215), 6to4 (RFC 3056),
# compatible (RFC 4291 2.5.5.1); and site-local addresses (RFC 3879).
_NOT_EVERYBODYS = tuple(
    map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::/96", "fec0::/10"))
)
# So many URLs of one extension are looked at.
_URLS = 4
_LISTS_KEPT = 32
_SHA1 = "1.3.14.3.2.26"
_URL = re.compile(r"(?P<base>http://[^/?#\s]{1,300})(?P<target>[/?][^#\s]*)?", re.ASCII | re.IGNORECASE)


class Addresses(StrEnum):
    """Which servers may be asked."""

    PUBLIC = "public"
    ANY = "any"


class Online:
    """What can be had at the URLs in certificates and lists. Each URL is asked once, and what it said is kept."""

    marking = None

    def __init__(
        self,
        anchors: Iterable[bytes] = (),
        limits: Limits = USUAL,
        addresses: Addresses = Addresses.PUBLIC,
    ) -> None:
        """Ask nothing yet.

        Args:
            anchors: Certificates (DER) whose SIA may lead to what their CAs have issued, where no AIA leads up.
            limits: How often servers may be asked, and what they may answer, for as long as this lives.
            addresses: Which servers may be asked.

        Raises:
            BadInput: An anchor cannot be read.
        """
        self._budget = Budget(limits)
        self._deadline = Deadline(limits.seconds)
        self._admit = _require_public if addresses is Addresses.PUBLIC else _anybody
        self._known: dict[NameFacts, dict[bytes, CertificateFacts]] = {}
        self._repositories: dict[str, None] = {}  # URLs of what CAs have issued, not asked yet
        self._asked: dict[str, bytes | BadInput] = {}
        self._collected: dict[str, BadInput | None] = {}
        self._read_list = lru_cache(maxsize=_LISTS_KEPT)(self._list)
        for number, anchor in enumerate(anchors, 1):
            self._learn(read_certificate(anchor, f"anchor {number}"))

    def issuers(self, certificate: CertificateFacts) -> Iterator[Reading[CertificateFacts]]:
        """What the certificate's caIssuers give; where that is nothing, what known CAs say that they have issued."""
        key = certificate.authority_key
        urls = _access(certificate.extensions, AUTHORITY_ACCESS, CA_ISSUERS, certificate.place)
        return self._certificates(certificate.issuer, key.key_identifier if key else None, urls)

    def lists(
        self, certificate: CertificateFacts, issuer: CertificateFacts, at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The lists at the URLs of the certificate's distribution points."""
        del issuer, at  # only what is newest can be had
        place = certificate.place
        try:
            points = read_points(certificate.extensions, ext.DistributionPoint.oid, certificate.issuer, place)
        except BadInput as error:
            yield partial(_fail, error)
            return
        urls = _urls_of(points or ())
        if not urls:
            yield partial(_fail, BadInput(place, "names no URL of a list that is followed"))
        for url in urls:
            yield partial(self._read_list, url)

    def deltas(
        self, complete: IndexedList, points: tuple[Point, ...], at: datetime
    ) -> Iterator[Reading[IndexedList]]:
        """The lists at the URLs of these points."""
        del complete, at
        for url in _urls_of(points):
            yield partial(self._read_list, url)

    def signers(self, found: IndexedList) -> Iterator[Reading[CertificateFacts]]:
        """What the list's own caIssuers give (RFC 5280 5.2.7), and what is known of its issuer's name."""
        key = found.facts.authority_key
        urls = _access(found.facts.extensions, AUTHORITY_ACCESS, CA_ISSUERS, found.facts.place)
        return self._certificates(found.facts.issuer, key.key_identifier if key else None, urls)

    def answers(self, certificate: CertificateFacts, issuer: CertificateFacts) -> Iterator[Reading[bytes]]:
        """What the responders say that the certificate names."""
        for url in _access(certificate.extensions, AUTHORITY_ACCESS, OCSP, certificate.place):
            yield partial(self._answer, url, certificate, issuer)

    def generation_of(self, authority: CertificateFacts) -> GenerationId | None:
        """None: URLs are no names of authorities."""
        del authority
        return None

    def _certificates(
        self, name: NameFacts, key: bytes | None, urls: Iterable[str]
    ) -> Iterator[Reading[CertificateFacts]]:
        """Every certificate for a CA of this name and key that these URLs give, or any that was met."""
        errors = [error for url in urls if (error := self._collect(url))]
        while not (found := self._called(name, key)) and self._repositories:
            url, _ = self._repositories.popitem()
            if error := self._collect(url):
                errors.append(error)
        for certificate in found:
            yield partial(_give, certificate)
        for error in errors:
            yield partial(_fail, error)

    def _called(self, name: NameFacts, key: bytes | None) -> list[CertificateFacts]:
        return [
            one
            for one in self._known.get(name, {}).values()
            if None in (key, one.subject_key) or key == one.subject_key
        ]

    def _collect(self, url: str) -> BadInput | None:
        """Take in the certificates at a URL, one or a file of many; gives why that cannot be."""
        if url not in self._collected:
            try:
                octets = self._get(url, CERTS_ONLY_LIMIT)
                for number, one in enumerate(_several(octets, url)):
                    self._learn(read_certificate(one, f"{url}[{number}]"))
                self._collected[url] = None
            except BadInput as error:
                self._collected[url] = error
        return self._collected[url]

    def _learn(self, certificate: CertificateFacts) -> None:
        """Remember a CA certificate; of a self-signed one only where it says that its CA's certificates are."""
        if not certificate.is_ca:
            return
        for url in _access(certificate.extensions, SUBJECT_ACCESS, CA_REPOSITORY, certificate.place):
            if url not in self._collected:
                self._repositories[url] = None
        key = certificate.authority_key
        itself = certificate.subject == certificate.issuer and (
            key is None or key.key_identifier in (None, certificate.subject_key)
        )
        if not itself:
            self._known.setdefault(certificate.subject, {})[certificate.der] = certificate

    def _list(self, url: str) -> IndexedList:
        return IndexedList(read_list(self._get(url, LIST_LIMIT), url))

    def _answer(self, url: str, certificate: CertificateFacts, issuer: CertificateFacts) -> bytes:
        return self._get(url, ANSWER_LIMIT, _question(certificate, issuer))

    def _get(self, url: str, limit: int, question: bytes | None = None) -> bytes:
        """What is at a URL, asked once; BadInput, or BudgetSpent."""
        asked = url if question is None else f"{url} {question.hex()}"
        if asked not in self._asked:
            self._budget.fetch()
            try:
                self._asked[asked] = self._fetched(url, min(limit, self._budget.octets), question)
            except BadInput as error:
                self._asked[asked] = BadInput(url, error.problem, clause=error.clause)
        found = self._asked[asked]
        if isinstance(found, BadInput):
            raise found
        return found

    def _fetched(self, url: str, limit: int, question: bytes | None) -> bytes:
        match = _URL.fullmatch(url)
        if match is None:
            raise BadInput(url, "is no URL that is followed: only http is", clause="RFC 5280 8")
        target = (match["target"] or "").removeprefix("/")
        try:
            with self._deadline as seconds, HttpSource(match["base"], seconds, self._admit) as source:
                octets = source.visit(target, limit, question, "application/ocsp-request")
        except TimeoutError:
            raise BadInput(url, "there is no time left to ask for it") from None
        self._budget.receive(len(octets))
        return octets


def _several(octets: bytes, place: str) -> tuple[bytes, ...]:
    """The certificates of what a caIssuers or caRepository URL gives (RFC 5280 4.2.2.1): one in DER, or a file of many."""
    # A certificate begins with the SEQUENCE that was signed, a ContentInfo with an object identifier.
    start = 2 + (octets[1] & 0x7F if len(octets) > 1 and octets[1] >= 0x80 else 0)
    return read_certs_only(octets, place) if octets[start : start + 1] == b"\x06" else (octets,)


def _access(
    extensions: tuple[ExtensionFacts, ...], extension: str, method: str, place: str
) -> tuple[str, ...]:
    """The first URLs that AIA or SIA gives for this method; none if they cannot be read."""

    def read(value: bytes) -> tuple[str, ...]:
        return tuple(
            one["access_location"].chosen.contents.decode("ascii")
            for one in x509.AuthorityInfoAccessSyntax.load(value, strict=True)
            if one["access_method"].dotted == method
            and one["access_location"].name == "uniform_resource_identifier"
        )

    try:
        return tuple(dict.fromkeys(read_extension(extensions, extension, place, read) or ()))[:_URLS]
    except BadInput:  # it is not critical: who cannot read it does without (RFC 5280 4.2.2.1)
        return ()


def _urls_of(points: Iterable[Point]) -> list[str]:
    urls = dict.fromkeys(url for point in points for url in point.urls if _URL.fullmatch(url))
    return list(urls)[:_URLS]


def _question(certificate: CertificateFacts, issuer: CertificateFacts) -> bytes:
    """An OCSPRequest about one certificate, without a nonce (RFC 6960 4.1.1; RFC 5019 2.1.1 has SHA-1 there)."""
    info = key_info(issuer.public_key)
    if info is None:
        raise BadInput(issuer.place, "has a key that cannot be read")
    name, key = (
        hashlib.sha1(octets, usedforsecurity=False).digest() for octets in (certificate.issuer.der, info.bits)
    )
    asked = der.sequence(
        der.sequence(der.oid(_SHA1), der.NULL),
        der.octet_string(name),
        der.octet_string(key),
        der.integer(certificate.serial),
    )
    return der.sequence(der.sequence(der.sequence(der.sequence(asked))))


def _require_public(address: str) -> None:
    """Raise BadInput unless everybody reaches the same machine at this address."""
    found = ip_address(address.partition("%")[0])
    if not found.is_global or any(found in network for network in _NOT_EVERYBODYS):
        raise BadInput(address, "is at an address that is not everybody's, and such are not asked")


def _anybody(address: str) -> None:
    """Every server may be asked."""


def _give(one: CertificateFacts) -> CertificateFacts:
    return one


def _fail(error: BadInput) -> NoReturn:
    raise error
