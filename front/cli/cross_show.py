"""``kakehashi cross show``: all that is known of a pair, of an agreement, or of a renewal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from bridge.crossing.reports import RenewalReport, StepReport, read_refusals, read_report
from bridge.crossing.showing import HalfShown, PairShown, RenewalShown, show_agreement, show_pair
from ca.clock import utc_text
from ca.errors import BadInput, NotFound
from ca.model import AuthorityId
from ca.store.agreements import AgreementRecord, Examination
from front.assembly import World
from front.cli.common import Settings, command_options
from front.cli.cross_state import agreed_fields

Rows = list[dict[str, Any]]
_WIDE = frozenset(
    {"certificate", "beside", "sha256", "title", "organisation", "contact", "keys", "certify", "receive"}
)


@click.command()
@click.argument("name", metavar="ID", required=False)
@click.argument("other", metavar="[ID]", required=False)
@click.option("--renewal", metavar="NAME", help="The report of the renewal of this name, instead.")
@command_options
def show(settings: Settings, name: str | None, other: str | None, renewal: str | None) -> None:
    """Show an agreement by its ID, or all between two authorities by theirs: what was agreed, examined and done.

    That is the agreements and their dates, both halves and how each stands, where one deviates from its agreement, every
    examination and those that were refused, every renewal with what became of it, and withdrawals.

    \b
    Examples:
      kakehashi cross show foreign-2014 --home world
      kakehashi cross show gpki-bca foreign --json --home world
      kakehashi cross show --renewal 2014-09 --home world
    """
    if (renewal is None) == (name is None):
        raise BadInput(
            "cross show", "needs an agreement, two authorities, or --renewal, and one of these alone"
        )
    with settings.world() as world:
        if name is None:
            assert renewal is not None, "one of the two is there"
            _show_renewal(settings, _report_of(world, renewal))
            return
        at = world.clock()
        with world.stores.reading() as reading:
            if other is None:
                found = show_agreement(reading, world.plan, name, at)
            else:
                found = show_pair(reading, world.plan, AuthorityId(name), AuthorityId(other), at)
        parts = _parts(world, found)
    if settings.json:
        settings.tell({"between": list(found.between), **parts})
        return
    settings.tell({"between": " and ".join(found.between)})
    for title, rows in parts.items():
        if rows:
            _table(settings, rows, title.replace("_", " "))


def _parts(world: World, found: PairShown) -> dict[str, Rows]:
    at, reports = world.clock(), world.home.reports
    known = {order: read_report(reports, order) for order in {one.order.plan for one in found.renewals}}
    return {
        "agreements": [_agreement(world, one) for one in found.agreements],
        "halves": [_half(one, one.half.state(at)) for one in found.halves],
        "deviations": [
            {"certificate": str(one.half.certificate), "deviation": words}
            for one in found.halves
            for words in one.deviations
        ],
        "examinations": [_examination(one) for one in found.examinations],
        "refused": [
            {
                "at": utc_text(one.at),
                "agreement": one.agreement,
                "officer": one.officer,
                "what": one.what,
                "sha256": one.digest,
                "deviation": words,
            }
            for agreement in found.agreements
            for one in read_refusals(reports, agreement.id)
            for words in one.deviations
        ],
        "renewals": [_renewal(one, known[one.order.plan]) for one in found.renewals],
        "withdrawals": [_withdrawal(one) for one in found.halves if one.half.ended_at is not None],
    }


def _agreement(world: World, one: AgreementRecord) -> dict[str, Any]:
    return {
        "agreement": one.id,
        "ours": one.ours,
        "peer": one.peer,
        "from": utc_text(one.begins),
        "to": utc_text(one.ends),
        "written_down_at": utc_text(one.made_at),
        "officer": one.officer,
        "ended_at": None if one.ended_at is None else utc_text(one.ended_at),
        **agreed_fields(one, world.plan),
    }


def _half(one: HalfShown, state: str) -> dict[str, Any]:
    return {
        "issuer": str(one.half.issuer),
        "subject": str(one.half.subject),
        "kind": "received" if one.half.received else "issued",
        "valid_from": utc_text(one.half.period.not_before),
        "valid_until": utc_text(one.half.period.not_after),
        "state": state,
        "agreement": one.agreement,
        "certificate": str(one.half.certificate),
    }


def _examination(one: Examination) -> dict[str, Any]:
    return {
        "number": one.number,
        "agreement": one.agreement,
        "what": one.what.value,
        "ours": str(one.ours),
        "peer": str(one.peer),
        "examined_by": one.officer,
        "examined_at": utc_text(one.examined_at),
        "accepted_by": one.second_officer,
        "accepted_at": None if one.accepted_at is None else utc_text(one.accepted_at),
        "certificate": None if one.certificate is None else str(one.certificate),
        "sha256": one.digest.hex(),
    }


def _renewal(one: RenewalShown, report: RenewalReport | None) -> dict[str, Any]:
    """A step as its report tells it; without one, as the databases know it."""
    told = {} if report is None else {step.certificate: step for step in report.steps}
    step = told.get(str(one.step.certificate))
    outcome = "made" if one.made else "not made yet"
    return {
        "order": one.order.plan,
        "ordered_at": utc_text(one.order.made_at),
        "ordered_by": f"{one.order.officer}, {one.order.second_officer}",
        "issuer": str(one.step.certificate.generation),
        "subject": str(one.step.subject),
        **(_became(step) if step is not None else {"outcome": outcome, "at": None, "officers": None}),
        "certificate": str(one.step.certificate),
        "beside": str(one.step.replaces),
    }


def _became(step: StepReport) -> dict[str, Any]:
    return {
        "outcome": step.outcome if step.problem is None else f"{step.outcome}: {step.problem}",
        "at": None if step.at is None else utc_text(step.at),
        "officers": None if step.officers is None else ", ".join(step.officers),
    }


def _withdrawal(one: HalfShown) -> dict[str, Any]:
    end = one.half.revocation
    assert one.half.ended_at is not None, "it has ended"
    return {
        "certificate": str(one.half.certificate),
        "withdrawn_at": utc_text(one.half.ended_at),
        "reason": "shown no more" if end is None else end.reason.word,
        "invalid_since": None if end is None or end.invalid_since is None else utc_text(end.invalid_since),
    }


def _report_of(world: World, name: str) -> RenewalReport:
    found = read_report(world.home.reports, name) if "/" not in name else None
    if found is None:
        raise NotFound(
            f"renewal {name!r}",
            "has no report in this home",
            remedy="`kakehashi cross renew` keeps one of each order",
        )
    return found


def _show_renewal(settings: Settings, report: RenewalReport) -> None:
    if settings.json:
        click.echo(msgspec.json.encode(report).decode())
        return
    settings.tell(
        {
            "renewal": report.plan,
            "ordered_at": utc_text(report.ordered_at),
            "ordered_by": ", ".join(report.ordered_by),
        }
    )
    runs: Rows = [
        {
            "began": utc_text(run.began),
            "ended": None if run.ended is None else utc_text(run.ended),
            "officers": ", ".join(run.officers),
            "made": run.made,
            "failed": run.failed,
        }
        for run in report.runs
    ]
    _table(settings, runs, "runs")
    steps: Rows = [
        {
            "issuer": step.issuer,
            "subject": step.subject,
            "new_until": None if step.new is None else utc_text(step.new.valid_until),
            "outcome": _became(step)["outcome"],
        }
        for step in report.steps
    ]
    _table(settings, steps, "steps")


def _table(settings: Settings, rows: Sequence[dict[str, Any]], title: str) -> None:
    """What a table has room for; ``--json`` tells all."""
    keep = {"certificate"} if title in {"deviations", "withdrawals"} else set()
    settings.show(
        [{name: value for name, value in row.items() if name not in _WIDE - keep} for row in rows], title
    )
