"""What a CA key may certify where it stands: the same law for whoever issues, looked at where an intent is written down."""

from __future__ import annotations

from ca.errors import Conflict
from ca.model import RESPONDER_KINDS, CertificateKind
from ca.rules.generations import MAY_ISSUE, MAY_SIGN_STATUS, RFC4210, Life, State


def require_may_certify(signer: Life | None, kind: CertificateKind, subject: Life | None = None) -> None:
    """Raise Conflict if a key may not sign a certificate of this kind where it stands.

    Args:
        signer: The key; None for one that is not planned.
        kind: What it is to sign.
        subject: The key that is certified, if it is one of this home's.
    """
    state = None if signer is None else signer.state
    place = "a key that is not planned" if signer is None else f"generation {signer.generation}"
    if state not in _may_certify(signer, kind, subject):
        stands = "is no key of this home" if state is None else f"is {state}"
        raise Conflict(place, f"{stands}, and signs no {kind} certificate there", clause=RFC4210)
    if kind is CertificateKind.CROSS and subject is not None and subject.state not in MAY_SIGN_STATUS:
        problem = f"is {subject.state}; nobody certifies it while its status is not served"
        raise Conflict(f"generation {subject.generation}", problem, clause=RFC4210)


def _may_certify(signer: Life | None, kind: CertificateKind, subject: Life | None) -> frozenset[State]:
    """In which states a key signs this. A key that was never planned made everything of its own as it took over."""
    if kind is CertificateKind.SELF_SIGNED:
        return frozenset({State.SELF_SIGNED, State.ACTIVE})
    if kind in RESPONDER_KINDS:
        return MAY_SIGN_STATUS
    if kind is CertificateKind.LINK and signer is not None and subject is not None:
        if signer.generation.number > subject.generation.number:
            return frozenset({State.LINKED, State.ACTIVE})
        linked = subject.state in {State.LINKED_FORWARD, State.ACTIVE}
        return frozenset({State.ACTIVE, State.STATUS_ONLY}) if linked else frozenset()
    return MAY_ISSUE
