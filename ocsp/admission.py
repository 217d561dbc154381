"""Who may ask: anybody, or the signature verifiers in the register.

A verifier is known by its certificate, by all its octets: it has signed the request (RFC 6960 4.1.2), or the TLS front
says that it came with that certificate. Certificates are public, so nothing that is compared here is a secret, and
comparing need not take the same time each time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ca.errors import BadInput, KakehashiError, KeyRefused, StorageFailed
from ca.issuing.subject_keys import require_key
from ca.keys.kinds import require_believed
from ca.profiles.extensions import KeyUse
from ca.profiles.practice import Access
from ca.store.verifiers import Term, VerifierId
from ca.suites import MAXIMUM_EXPONENT, Curve, RsaKeys, SubjectKeyRule, SuiteId
from ca.wire import walk
from ca.wire.facts import CertificateFacts, read_certificate
from ocsp.http import Question
from ocsp.peers import Addresses, forwarded_fingerprint
from ocsp.signed_requests import RequestSignature, read_signature

_KEYS = SubjectKeyRule(
    RsaKeys(minimum_bits=2048, maximum_bits=4096, maximum_exponent=MAXIMUM_EXPONENT), frozenset(Curve)
)
_AGAIN = 1.0
_PLACE = "verifier"
_HOW = "Sign the request, or come with the registered certificate (docs/verifiers.md)"

_log = logging.getLogger("kakehashi.ocsp")


class NotAdmitted(KakehashiError):
    """Who asks is no signature verifier of the register, or none at this moment (OCSP: unauthorized)."""


class Register:
    """The register as a process knows it: read again every second or so, and never older than the bound.

    Safe to use from several threads; one reads, the others meanwhile use what is there.

    Args:
        load: Reads the register.
        bound: A verifier that was ended is refused after no longer than this, or nobody is answered.
        ticks: Seconds that never go back.
    """

    def __init__(
        self,
        load: Callable[[], Mapping[bytes, Term]],
        bound: timedelta,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._ticks = ticks
        self._bound = bound.total_seconds()
        self._again = min(_AGAIN, self._bound / 2)
        self._turn = threading.Lock()
        self._terms: Mapping[bytes, Term] = {}
        # Monotonic seconds: of when the terms are, and when the last try to read them began.
        self._known = self._tried = float("-inf")
        self._failed = False

    def admit(self, fingerprint: bytes, at: datetime) -> VerifierId:
        """Whose certificate this is, by its SHA-256.

        Raises:
            NotAdmitted: Nobody's, or that of a verifier whose time has not come or is over.
            StorageFailed: The register cannot be read, and what was read last is too old.
        """
        term = self._now().get(fingerprint)
        if term is None:
            raise NotAdmitted(
                _PLACE, "has a certificate that is not in the register, or no more", remedy=_HOW
            )
        if not term.begins <= at < term.ends:
            raise NotAdmitted(f"verifier {term.verifier}", "is not registered for this moment")
        return term.verifier

    def _now(self) -> Mapping[bytes, Term]:
        now = self._ticks()
        # While one thread reads, the others wait only if they have nothing to go by.
        late = now - self._known > self._bound
        if now - self._tried >= self._again and self._turn.acquire(blocking=late):
            try:
                self._read_again()
            finally:
                self._turn.release()
        if self._failed and self._ticks() - self._known > self._bound:
            raise StorageFailed("register of verifiers", "has not been read for too long")
        return self._terms

    def _read_again(self) -> None:
        now = self._ticks()
        if now - self._tried < self._again:  # another thread was quicker
            return
        try:
            self._terms, self._known = self._load(), now
            self._failed = False
        except KakehashiError as error:
            _log.warning("register-not-read", extra={"facts": {"place": error.place}})
            self._failed = True
        self._tried = now


class Admission:
    """The door before the responders, or before the lists. Safe to use from several threads.

    Attributes:
        open: Anybody may ask, and nobody is looked at; but for responders with a rule of their own.

    Args:
        own: The rules of such responders, by their authorities' ids.
        legacy: The legacy suites under which verifiers may sign requests in their time.
    """

    def __init__(
        self,
        access: Access,
        register: Register,
        proxies: Addresses,
        own: Mapping[str, Access] | None = None,
        legacy: Collection[SuiteId] = (),
    ) -> None:
        self.open = access is Access.OPEN
        self._own = {authority: one is Access.OPEN for authority, one in (own or {}).items()}
        self._register = register
        self._proxies = proxies
        self._legacy = legacy

    def open_for(self, responder: str) -> bool:
        """Whether anybody may ask the responder of this name, such as ``jpki-13.g1``."""
        return self._own.get(responder.rpartition(".")[0], self.open)

    def admit(self, environ: Mapping[str, Any], question: Question, at: datetime) -> VerifierId | None:
        """Who asks; None if anybody may.

        Raises:
            NotAdmitted: Neither connection nor signature shows a verifier that may ask at this moment.
            BadInput: The request's signature has not the form of one.
            StorageFailed: The register cannot be read.
        """
        if self.open_for(question.responder):
            return None
        try:
            return self._by_connection(environ, at)
        except NotAdmitted as refused:
            signature = read_signature(question.octets)
            if signature is None:
                raise refused from None
        return self._by_signature(signature, at)

    def by_connection(self, environ: Mapping[str, Any], at: datetime) -> VerifierId | None:
        """Who asks, by the connection alone: what serves ready answers and lists goes by this. None if anybody may.

        Raises:
            NotAdmitted: The connection shows no verifier that may ask at this moment.
            StorageFailed: The register cannot be read.
        """
        return None if self.open else self._by_connection(environ, at)

    def _by_connection(self, environ: Mapping[str, Any], at: datetime) -> VerifierId:
        try:
            fingerprint = forwarded_fingerprint(environ, self._proxies)
        except BadInput as error:
            raise NotAdmitted(error.place, error.problem, remedy=error.remedy) from None
        if fingerprint is None:
            raise NotAdmitted(_PLACE, "is not told by the connection", remedy=_HOW)
        return self._register.admit(fingerprint, at)

    def _by_signature(self, signature: RequestSignature, at: datetime) -> VerifierId:
        """Who signed; what costs little and refuses most comes first."""
        verifier = self._register.admit(signature.fingerprint, at)
        place = f"verifier {verifier}"
        try:
            facts = _read(signature.certificate)
            require_fit(facts, place)
            if not facts.not_before <= at.replace(microsecond=0) <= facts.not_after:
                raise NotAdmitted(place, "has a certificate that is not valid at this moment")
            require_believed(signature.require_right(facts), at, self._legacy)
        except (BadInput, KeyRefused) as error:
            raise NotAdmitted(place, f"has signed otherwise: {error.problem}", clause=error.clause) from None
        return verifier


def require_fit(certificate: CertificateFacts, place: str) -> None:
    """Raise BadInput unless a verifier may be known by this certificate: for signing, no CA's, with a key of today."""
    if certificate.is_ca:
        raise BadInput(place, "is a CA's certificate", clause="RFC 5280 4.2.1.9")
    if certificate.key_usage is not None and KeyUse.DIGITAL_SIGNATURE not in certificate.key_usage:
        raise BadInput(place, "is not for digital signatures", clause="RFC 5280 4.2.1.3")
    with walk.reading(place, "its key"):
        require_key(certificate.public_key, _KEYS, place)


@lru_cache(maxsize=1024)  # of registered certificates alone
def _read(certificate: bytes) -> CertificateFacts:
    return read_certificate(certificate, "verifier's certificate")
