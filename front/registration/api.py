"""The machine interface of registration and revocation: JSON in, JSON out, a client key on every call.

::

    POST /api/cases                         file an application
    GET  /api/cases/<case>                  its state, steps and certificates
    POST /api/cases/<case>/examination      examine
    POST /api/cases/<case>/approval         approve
    POST /api/cases/<case>/rejection        reject
    POST /api/cases/<case>/issuance         issue
    POST /api/certificates/<id>/revocation  revoke
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from asn1crypto import pem
from flask import Blueprint, Response, request

from ca.clock import utc_text
from ca.errors import BadInput, NotFound, NotPermitted
from ca.model import CertificateId, CertificateKind, OfficeKind, OfficerId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.rules.registration import next_steps
from ca.store import applications, officers
from ca.store.applications import Application
from ca.store.certificates import CertificateRecord, CertificateState
from ca.store.clients import KeyPurpose
from front.applicants import PostParticulars, ResidentParticulars, post_of, resident_of
from front.assembly import World
from front.credentials import authenticate
from front.receipts import revocation_receipt_fields
from front.strict_json import decode

T = TypeVar("T", bound=msgspec.Struct)


class _Filing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application: one applicant, and a PEM request for each kind."""

    csrs: dict[str, str]
    resident: ResidentParticulars | None = None
    post: PostParticulars | None = None


class _Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str
    invalid_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def api(world: World) -> Blueprint:
    """The interface over a world."""
    blueprint = Blueprint("api", __name__, url_prefix="/api")

    @blueprint.post("/cases")
    def file() -> Response:
        """Receive an application at the caller's office."""
        officer = _caller(world)
        filing = _body(_Filing)
        csrs = {_kind(kind): text.encode() for kind, text in filing.csrs.items()}
        if (filing.resident is None) == (filing.post is None):
            raise BadInput("body", "is for one applicant: resident or post")
        if filing.resident is not None:
            filed = resident_of(filing.resident, "resident")
            found = world.registration.file(
                officer,
                filed.resident,
                csrs,
                code=filed.code,
                card_expires=filed.card_expires,
                at=world.clock(),
            )
        else:
            assert filing.post is not None, "one of the two is given"
            found = world.registration.file(officer, post_of(filing.post), csrs, code=None, at=world.clock())
        return _json(201, _case(world, found.case.id))

    @blueprint.get("/cases/<case_id>")
    def show(case_id: str) -> Response:
        """A case of the caller's office; the centre sees every office's."""
        _require_own(world, case_id, _caller(world))
        return _json(200, _case(world, case_id))

    @blueprint.post("/cases/<case_id>/<any(examination, approval, rejection, issuance):step>")
    def take(case_id: str, step: str) -> Response:
        """Take a step. Issuing again carries on where an issuance broke off."""
        steps = {
            "examination": world.registration.examine,
            "approval": world.registration.approve,
            "rejection": world.registration.reject,
            "issuance": world.registration.issue,
        }
        officer = _caller(world)
        # Before the rules are asked: what state another office's case is in is not this office's to know.
        _require_own(world, case_id, officer)
        steps[step](case_id, officer, at=world.clock())
        return _json(200, _case(world, case_id))

    @blueprint.post("/certificates/<certificate>/revocation")
    def end(certificate: str) -> Response:
        """Revoke. The answers of OCSP follow at once, the lists by the worker."""
        officer = _caller(world)
        wanted = _body(_Revocation)
        ended = revoke(
            world.stores,
            CertificateId.parse(certificate),
            RevocationReason.parse(wanted.reason),
            officer,
            at=world.clock(),
            invalid_since=wanted.invalid_since,
        )
        return _json(
            200,
            {
                "certificate": str(ended.certificate),
                "revoked_at": utc_text(ended.revocation.revoked_at),
                "reason": ended.revocation.reason.word,
                "lists": [f"{ended.certificate.generation}/{scope}" for scope in ended.scopes],
                "receipt": revocation_receipt_fields(world, ended),
            },
        )

    return blueprint


def _caller(world: World) -> OfficerId:
    """The officer whose client key the request carries."""
    with world.stores.nation.reading() as connection:
        key = authenticate(connection, request.headers.get("Authorization"), KeyPurpose.OFFICER)
    assert key.officer is not None, "an officer's key names the officer"
    return key.officer


def _require_own(world: World, case_id: str, officer: OfficerId) -> None:
    """Raise NotPermitted unless the case is one of the officer's office, or the officer is of the centre."""
    with world.stores.nation.reading() as connection:
        _, office = officers.officer(connection, officer)
        found = applications.find(connection, case_id)
    if office.kind is not OfficeKind.CENTRE and found.case.office != office.id:
        raise NotPermitted(f"case {case_id}", "is another office's")


def _body(kind: type[T]) -> T:
    return decode(request.get_data(), kind, "body")


def _kind(word: str) -> CertificateKind:
    try:
        return CertificateKind(word)
    except ValueError:
        raise NotFound(f"kind {word!r}", "is not a kind of certificate") from None


def _json(status: int, fields: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(fields), status=status, mimetype="application/json")


def _case(world: World, case_id: str) -> dict[str, Any]:
    """A case without the applicant's particulars: who asks knows them, and nobody else needs them here."""
    with world.stores.nation.reading() as connection:
        found: Application = applications.find(connection, case_id)
    records = world.stores.certificates(found.certificates)
    case = found.case
    return {
        "case": case.id,
        "office": case.office,
        "state": case.state,
        "next": list(next_steps(case)),
        "steps": [
            {"step": taken.step, "officer": taken.officer, "at": utc_text(taken.at)} for taken in case.history
        ],
        "kinds": [wanted.kind for wanted in found.requests],
        "certificates": [_certificate(record) for record in records],
    }


def _certificate(record: CertificateRecord) -> dict[str, Any]:
    issued = record.state is CertificateState.ISSUED
    return {
        "certificate": str(record.id),
        "kind": record.kind,
        "state": record.state,
        "not_before": utc_text(record.period.not_before),
        "not_after": utc_text(record.period.not_after),
        "list": f"{record.id.generation}/{record.scope}",
        "pem": pem.armor("CERTIFICATE", record.encoded).decode() if issued else None,
    }
