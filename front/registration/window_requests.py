"""The page on which a holder's certificates end: on request, for a lost card, for a key in strange hands.

The holder is found by the resident code, which is asked for in a form's body and kept nowhere, or from a case. From then
on a certificate's id stands for the holder, who has no name in any address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput, Conflict, NotFound
from ca.keys.codes import keyed_code
from ca.model import CertificateId, CertificateKind, OfficeKind, Role, resident_code
from ca.revoking.deciding.at_window import Deed, Prospect, Window, request_number
from ca.rules.validity import JST, japanese_day
from ca.store import certificates, deeds, holdings
from ca.store.search import HolderCertificate, holder_certificates
from front.assembly import World
from front.pages.forms import Fields, FormRefused, Problem
from front.pages.rendering import page, said
from front.pages.visit import SignedIn, signed_in
from front.registration.window_case import shown_held

_SINCE = frozenset({Deed.REPORT_COMPROMISE, Deed.REPORT_LOSS, Deed.REPORT_LOSS_BY_TELEPHONE})
"""What happened before it was reported."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A deed that would change something.

    Attributes:
        kinds: The kinds of the certificates that it would end or hold, in the order in which they are shown.
        problem: What the centre would have to decide, if anything.
    """

    deed: Deed
    kinds: tuple[CertificateKind, ...]
    problem: str | None = field(default=None, repr=False)


def add_requests(blueprint: Blueprint, world: World) -> None:
    """``/requests`` and the page of a holder below it."""

    @blueprint.get("/requests")
    def ask_holder() -> Response:
        """Whose certificates?"""
        _at_window()
        return page("registration/requests.html", problems={})

    @blueprint.post("/requests")
    def find_holder() -> AnyResponse:
        """Find the holder of a resident code who has certificates of this window."""
        who, fields = _at_window(), Fields(request.form)
        typed = fields.text("code", most=40)
        try:
            fields.settle()
            held = _held(world, who, _code_of(world, typed))
        except FormRefused as error:
            return page("registration/requests.html", status=422, problems=said(error.problems))
        chosen = held[0].certificate
        with world.stores.nation.writing() as connection:
            deeds.note(connection, deeds.Deed.LOOKED_UP, who=who.officer, about=str(chosen), at=world.clock())
        return redirect(f"/requests/{chosen}", 303)

    @blueprint.get("/requests/<certificate>")
    def show_holder(certificate: str) -> Response:
        """What the holder of this certificate has, and what may be done with it."""
        who = _at_window()
        return _holder_page(world, who, _holder_of(world, who, certificate), certificate)

    @blueprint.post("/requests/<certificate>")
    def end_for_holder(certificate: str) -> AnyResponse:
        """Do what the holder asks for. The form carries a number, so that it is done once however often it is sent."""
        who, at = _at_window(), world.clock()
        holder = _holder_of(world, who, certificate)
        fields = Fields(request.form)
        deed = fields.choice("deed", Deed)
        since = fields.day("occurred", required=False) if deed in _SINCE else None
        if since is not None and since > japanese_day(at):
            fields.refuse("occurred", "registration.request.future")
        try:
            fields.settle()
            assert deed is not None, "a deed that is missing is a problem"
            _end(world, who, holder, deed, None if since is None else datetime.combine(since, time(), JST))
        except FormRefused as error:
            return _holder_page(world, who, holder, certificate, error.problems)
        return redirect(f"/requests/{certificate}?done={deed}", 303)


def _at_window() -> SignedIn:
    """The officer, who has to be one that receives residents at a window."""
    who = signed_in(Role.RECEPTION)
    if who.office.kind is not OfficeKind.WINDOW:
        raise BadInput(f"office {who.office.id}", "is not a window", remedy="Holders come to a window")
    return who


def _code_of(world: World, typed: str) -> bytes:
    """The keyed code of what was typed; FormRefused."""
    try:
        return keyed_code(
            world.issuers.vault.code_key(), resident_code(typed.replace("-", "").replace(" ", ""))
        )
    except BadInput:
        raise FormRefused((Problem("code", "registration.code_wrong"),)) from None


def _held(world: World, who: SignedIn, holder: bytes) -> Sequence[HolderCertificate]:
    """What a holder of this window has; FormRefused if there is none, or not of this window."""
    try:
        _look(world, who, holder, Deed.REPORT_LOSS)
        with world.stores.reading() as reading:
            held = holder_certificates(reading, holder)
    except NotFound:
        held = []
    if not held:
        raise FormRefused((Problem("code", "registration.request.nobody"),))
    return held


def _holder_of(world: World, who: SignedIn, certificate: str) -> bytes:
    """The holder of a certificate, if this window knows the holder; NotFound else, whether there is such a certificate or not."""
    unknown = NotFound("certificate", "is not held by a resident of this window")
    wanted = CertificateId.parse(certificate)
    with world.stores.reading() as reading:
        try:
            record = certificates.find(reading.of(wanted.generation.authority), wanted)
        except NotFound:
            raise unknown from None
        holding = holdings.with_keys(reading.nation, [record.subject_key]).get(record.subject_key)
    if holding is None or holding.holder is None:
        raise unknown
    try:
        _look(world, who, holding.holder, Deed.REPORT_LOSS)
    except NotFound:
        raise unknown from None
    return holding.holder


def _look(world: World, who: SignedIn, holder: bytes, deed: Deed) -> Prospect:
    return Window(world.events).look(deed, holder, who.officer.id, at=world.clock())


def _offers(world: World, who: SignedIn, holder: bytes, held: Sequence[HolderCertificate]) -> list[Offer]:
    """The deeds that would change something now."""
    # An end may still be raised to a compromise: ended ones count too.
    kinds = {each.certificate: each.kind for each in held}
    found = []
    for deed in Deed:
        try:
            prospect = _look(world, who, holder, deed)
        except Conflict:
            continue
        touched = {kinds[order.certificate] for order in prospect.orders}
        if touched or prospect.problem:
            ordered = tuple(kind for kind in CertificateKind if kind in touched)
            found.append(Offer(deed, ordered, prospect.problem))
    return found


def _end(world: World, who: SignedIn, holder: bytes, deed: Deed, occurred: datetime | None) -> None:
    number = request.form.get("number", "")
    Window(world.events).end(deed, holder, who.officer.id, number=number, at=world.clock(), occurred=occurred)


def _holder_page(
    world: World, who: SignedIn, holder: bytes, certificate: str, problems: tuple[Problem, ...] = ()
) -> Response:
    at = world.clock()
    with world.stores.reading() as reading:
        held = holder_certificates(reading, holder)
    done = request.args.get("done")
    return page(
        "registration/holder.html",
        status=422 if problems else 200,
        certificate=certificate,
        held=shown_held(held, at),
        offers=_offers(world, who, holder, held),
        since=_SINCE,
        number=request.form.get("number") or request_number(world.chance, who.officer.id, at),
        done=done if done in set(Deed) else None,
        typed=request.form.to_dict(),
        problems=said(problems),
    )
