"""Abolition: an office asks for the end of a certificate, the centre grants it or leaves things as they are."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import Conflict, NotFound
from ca.model import CertificateId, RevocationReason, Role
from ca.revoking.deciding import abolition
from ca.store import abolitions, certificates, lives
from ca.store.abolitions import Why
from ca.store.applications import Application
from front.assembly import World
from front.local.access import case_of, of_local, of_sub_office
from front.pages.forms import Fields
from front.pages.visit import SignedIn


def add(blueprint: Blueprint, world: World) -> None:
    """Give a blueprint what ends certificates over a world."""
    blueprint.add_url_rule("/local/certificates/<wanted>", "ending_show", partial(show, world))
    blueprint.add_url_rule(
        "/local/certificates/<wanted>/abolition", "ending_ask", partial(ask, world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/local/certificates/<wanted>/end", "ending_grant", partial(grant, world), methods=["POST"]
    )
    blueprint.add_url_rule(
        "/local/certificates/<wanted>/keep", "ending_decline", partial(decline, world), methods=["POST"]
    )


def show(world: World, wanted: str) -> AnyResponse:
    """The page of the case that a certificate came of."""
    _, found = _of(world, of_local(), wanted)
    return redirect(f"/local/cases/{found.case.id}", 303)


def ask(world: World, wanted: str) -> AnyResponse:
    """Ask the centre to end a certificate of this office."""
    who = of_sub_office(Role.EXAMINER)
    certificate, found = _of(world, who, wanted)
    fields = Fields(request.form)
    why = fields.choice("why", Why)
    fields.settle()
    assert why is not None, "what is missing is a problem"
    try:
        abolition.ask(world.stores, certificate, who.officer.id, why, at=world.clock())
    except Conflict:
        with world.stores.nation.reading() as connection:
            if not abolitions.waiting_among(connection, [certificate]):
                raise
        # A second press: it waits already.
    return redirect(f"/local/cases/{found.case.id}", 303)


def grant(world: World, wanted: str) -> AnyResponse:
    """End it."""
    who = of_local(Role.OPERATOR)
    certificate, found = _of(world, who, wanted)
    try:
        abolition.grant(world.stores, certificate, who.officer.id, at=world.clock())
    except (Conflict, NotFound):
        with world.stores.reading() as reading:
            (life,) = lives.of(reading, [certificate])
        if life.reason is not RevocationReason.CESSATION_OF_OPERATION:
            raise
        # A second press: it has ended so already.
    return redirect(f"/local/cases/{found.case.id}", 303)


def decline(world: World, wanted: str) -> AnyResponse:
    """Leave it as it is."""
    who = of_local(Role.OPERATOR)
    certificate, found = _of(world, who, wanted)
    abolition.decline(world.stores, certificate, who.officer.id, at=world.clock())
    return redirect(f"/local/cases/{found.case.id}", 303)


def _of(world: World, who: SignedIn, wanted: str) -> tuple[CertificateId, Application]:
    """A certificate of a case that this officer may see, and the case; or NotFound, in the same words for all others."""
    certificate = CertificateId.parse(wanted)
    with world.stores.reading() as reading, suppress(NotFound):
        if certificate.generation.authority in world.plan.practices:
            record = certificates.find(reading.of(certificate.generation.authority), certificate)
            if record.application is not None:
                return certificate, case_of(reading.nation, who, record.application)
    raise NotFound(f"certificate {certificate}", "is not one of this home's")
