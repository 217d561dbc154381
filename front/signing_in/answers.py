"""What is asked of an authenticator, and whether its answer holds: the one module that knows the library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ca.model import Officer, OfficerId
from ca.store.passkeys import Passkey
from front.signing_in.refusals import Refusal, SignInRefused
from front.signing_in.terms import Terms

_NAME = "架け橋"
_KEYS = (ES256, EdDSA, RS256)
"""The algorithms that authenticators in use offer, the wanted one first."""


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey as an authenticator made it."""

    credential: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int


def user_handle(officer: OfficerId) -> bytes:
    """What an authenticator knows an officer by: it says nothing of the person (Web Authentication, 14.6.1)."""
    return hashlib.sha256(b"kakehashi officer\0" + officer.encode()).digest()


def making(terms: Terms, officer: Officer, there: Iterable[Passkey], challenge: bytes) -> dict[str, Any]:
    """What a browser is asked that is to make a passkey: resident, so that nobody types a name later, and verified."""
    user = PublicKeyCredentialUserEntity(
        id=user_handle(officer.id), name=officer.id, display_name=officer.name or officer.id
    )
    options, _ = _server(terms).register_begin(
        user,
        [_descriptor(passkey) for passkey in there],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return dict(options.public_key)


def asking(terms: Terms, challenge: bytes) -> dict[str, Any]:
    """What a browser is asked that is to show any passkey of this place."""
    options, _ = _server(terms).authenticate_begin(
        user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
    )
    return dict(options.public_key)


def made(terms: Terms, officer: OfficerId, challenge: bytes, answer: Mapping[str, Any]) -> Made:
    """The passkey that an answer to ``making`` brings, or SignInRefused. Of what make it is, is not asked."""
    server = _server(terms)
    _, state = server.register_begin(
        PublicKeyCredentialUserEntity(id=user_handle(officer), name=officer),
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    try:
        response = RegistrationResponse.from_dict(answer)
        _require(not response.response.client_data.cross_origin, "made in another site's frame")
        told = server.register_complete(state, response)
        found = told.credential_data
        _require(found is not None, "no passkey in it")
        assert found is not None, "just required"
        _require(isinstance(found.public_key, _KEYS), "a key that was not asked for")
        _require(0 < len(found.credential_id) <= 1023, "an id of no length, or too long")
        return Made(bytes(found.credential_id), cbor.encode(found.public_key), told.counter)
    except Exception as error:
        # Foreign octets in a foreign parser: whatever it meets there, the answer does not hold.
        raise SignInRefused(Refusal.ANSWER_WRONG) from error


def shown(answer: Mapping[str, Any]) -> bytes:
    """The id of the passkey that an answer to ``asking`` speaks of, not checked yet; or SignInRefused."""
    try:
        return bytes(AuthenticationResponse.from_dict(answer).raw_id)
    except Exception as error:
        raise SignInRefused(Refusal.ANSWER_WRONG) from error


def held(terms: Terms, passkey: Passkey, challenge: bytes, answer: Mapping[str, Any]) -> int:
    """How often the authenticator of this passkey, which signed this answer to ``asking``, has signed; or SignInRefused."""
    server = _server(terms)
    _, state = server.authenticate_begin(
        user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
    )
    try:
        response = AuthenticationResponse.from_dict(answer)
        _require(not response.response.client_data.cross_origin, "made in another site's frame")
        # Web Authentication, 7.2, step 6: nobody was named before, so the answer has to name the holder.
        _require(response.response.user_handle == user_handle(passkey.officer), "another officer's passkey")
        key = CoseKey.parse(cbor.decode(passkey.public_key))  # type: ignore[arg-type]  # a map was encoded
        known = AttestedCredentialData.create(Aaguid.NONE, passkey.credential, key)
        server.authenticate_complete(state, [known], response)
        count = response.response.authenticator_data.counter
    except Exception as error:
        raise SignInRefused(Refusal.ANSWER_WRONG) from error
    # Web Authentication, 6.1.1: one that does not count says 0 for ever.
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        raise SignInRefused(Refusal.COUNT_BACK)
    return count


def _server(terms: Terms) -> Fido2Server:
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=terms.domain, name=_NAME),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == terms.origin,
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=kind.ALGORITHM)
        for kind in _KEYS
    ]
    return server


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=passkey.credential)


def _require(held: object, problem: str) -> None:
    if not held:
        raise ValueError(problem)
