"""Our request to another CA: for which of our keys, and what it asks for."""

from __future__ import annotations

from datetime import datetime

from bridge.crossing.agreement import Agreement
from ca import suites
from ca.errors import Conflict, NotFound
from ca.issuing.issuer import Issuer, Issuers
from ca.keys.signer import verify
from ca.model import GenerationId
from ca.profiles.drafting import PlacedExtension
from ca.profiles.extensions import BasicConstraints, KeyUsage, KeyUse, SubjectKey
from ca.rules.generations import COMING, MAY_ISSUE, MAY_SIGN_STATUS
from ca.store import key_lives
from ca.suites import Use
from ca.wire.requests import request_info
from ca.wire.tbs import signed

_CERTIFIABLE = (COMING | MAY_ISSUE) & MAY_SIGN_STATUS
"""The states of a key of ours that others may certify: lists and a responder speak of it, and nothing has followed it."""

_CA_USES = KeyUsage(frozenset({KeyUse.KEY_CERT_SIGN, KeyUse.CRL_SIGN}))


def asking(issuers: Issuers, agreement: Agreement, key: GenerationId | None) -> Issuer:
    """Our key for which the peer is asked, the one that issues if none is named: verifiers come across it by the answer.

    Raises:
        NotFound: There is no such key.
        Conflict: It is another authority's, or does not stand so that others may certify it.
    """
    if key is None:
        return issuers.issuing(agreement.ours)
    place = f"generation {key}"
    if key.authority != agreement.ours:
        raise Conflict(place, f"is none of {agreement.ours}, which agreement {agreement.id} is about")
    with issuers.store(key.authority).reading() as connection:
        life = key_lives.life_of(connection, key)
    if life is None:
        raise NotFound(place, "is not one of this home's", remedy="`kakehashi key list` shows them")
    if life.state not in _CERTIFIABLE:
        raise Conflict(
            place,
            f"is {life.state}; a key is certified from when its status is served until it is succeeded",
        )
    return issuers.of(key)


def request(issuer: Issuer, agreement: Agreement, at: datetime) -> bytes:
    """The request in DER, signed by the key that it is for; SuiteRetired if that may not sign."""
    suite = issuer.record.suite
    suites.require(suite, Use.SIGN, at)
    asked = (
        PlacedExtension(BasicConstraints(ca=True), critical=True),
        PlacedExtension(_CA_USES, critical=True),
        PlacedExtension(SubjectKey(issuer.key_identifier), critical=False),
        PlacedExtension(agreement.receive.policies, critical=True),
        PlacedExtension(agreement.receive.mappings, critical=True),
    )
    info = request_info(issuer.practice.name, issuer.record.public_key, asked)
    signature = issuer.signer.sign(info, suite)
    verify(issuer.record.public_key, suite, info, signature)
    return signed(info, suite, signature)
