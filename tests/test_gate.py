"""The publish gate: whatever is wrong with a list keeps it back for just that; whatever is legal passes."""

from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core, crl, x509
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import ListBlocked
from ca.model import Revocation, RevocationReason, Scope, Serial
from ca.names import DirectoryName
from ca.profiles.extensions import FreshestPoint, Holds, IssuingPoint, ListExtension
from ca.revoking.lists import gate_entries
from ca.revoking.lists.gate import USUAL, Before, pass_gate, require_places
from ca.revoking.lists.gate_entries import Excuses
from ca.rules.list_changes import Block, Jump, JumpLimit
from ca.wire import der
from ca.wire.extensions import encode_extension
from ca.wire.facts import read_extensions
from ca.wire.lists import encode_entry
from ca.wire.names import encode_name
from tests.builders import NOW, OTHER_AUTHORITY, POINT, key_id, place_of, revocation_of, serial_of
from tests.gate_lists import (
    COMPROMISE,
    DAY,
    GENERATION,
    HOLD,
    LAST_NUMBER,
    LIFTED,
    NUMBER,
    SUPERSEDED,
    YESTERDAY,
    Revoked,
    base_of,
    draft_of,
    encoded,
    excuses,
    expected,
    list_of,
    mutated,
    of_today,
    of_yesterday,
    some,
)

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
BEFORE_YESTERDAY = YESTERDAY - DAY

# What yesterday's list said: superseded, on hold, lost, lost with a suspicion, unspecified, and the rest superseded.
LAST: Revoked = {
    **some(10, 60, 70, 80, 90),
    **some(20, reason=HOLD),
    **some(30, reason=COMPROMISE),
    **some(40, reason=COMPROMISE, invalid_since=BEFORE_YESTERDAY - DAY),
    **some(50, reason=RevocationReason.UNSPECIFIED),
}
# Today one is new, a hold is over, and a reason is worse than it seemed.
TODAY: Revoked = {
    **LAST,
    15: revocation_of(15),
    20: replace(LAST[20], reason=SUPERSEDED),
    60: replace(LAST[60], reason=COMPROMISE, invalid_since=BEFORE_YESTERDAY - HOUR),
}
LAST_LIST, TODAYS_LIST = of_yesterday(LAST), of_today(TODAY)


def passed(draft: bytes, last: bytes | None = LAST_LIST, entries: int = len(TODAY), **fields) -> Jump:
    last_file = None if last is None else io.BytesIO(last)
    found = pass_gate(io.BytesIO(draft), last_file, expected(entries, **fields))
    assert found.entries == entries
    return found.jump


def blocked(draft: bytes, last: bytes | None = LAST_LIST, entries: int = len(TODAY), **fields) -> ListBlocked:
    with pytest.raises(ListBlocked) as caught:
        passed(draft, last, entries, **fields)
    return caught.value


def test_a_right_list_passes() -> None:
    assert passed(TODAYS_LIST) == Jump(LAST_NUMBER, 50, new=1, changed=2, gone=0)


# A mutant: how today's right list is spoilt, and the one reason for which it is kept back.

Tbs = crl.TbsCertList
Mutate = Callable[[Tbs], object]


@dataclass(frozen=True)
class Mutant:
    """A list that must not pass: a change of the right one's to-be-signed part, or of the whole, or another list.

    ``fields`` are what is expected otherwise than usually.
    """

    block: Block
    mutate: Mutate | None = None
    revoked: Revoked | None = None
    octets: bytes | None = None
    last: bytes | None = LAST_LIST
    entries: int | None = None
    signed_by: str = "authority"
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def draft(self) -> bytes:
        if self.octets is not None:
            return self.octets
        right = TODAYS_LIST if self.revoked is None else of_today(self.revoked)
        return right if self.mutate is None else mutated(right, self.mutate, self.signed_by)


def entry(number: int, octets: bytes) -> Mutate:
    """Today's list with another entry in the place of this one."""

    def mutate(tbs: Tbs) -> None:
        at = sorted(TODAY).index(number)
        tbs["revoked_certificates"][at] = crl.RevokedCertificate.load(octets, strict=True)

    return mutate


def revoked(number: int, **fields) -> Mutate:
    """Today's list with something else said of this one."""
    return entry(number, encode_entry(replace(TODAY[number], **fields)))


def without(*numbers: int) -> Revoked:
    return {number: revocation for number, revocation in TODAY.items() if number not in numbers}


def serial(number: int, value: int) -> Mutate:
    """Today's list with another serial in this one's entry."""

    def mutate(tbs: Tbs) -> None:
        at = sorted(TODAY).index(number)
        tbs["revoked_certificates"][at]["user_certificate"] = value

    return mutate


def extension(oid: str, **parts) -> Mutate:
    """Today's list with another critical flag or value in an extension."""

    def mutate(tbs: Tbs) -> None:
        for one in tbs["crl_extensions"]:
            if one["extn_id"].dotted == oid:
                for name, part in parts.items():
                    one[name] = core.ParsableOctetString(part) if name == "extn_value" else part

    return mutate


def no_extension(oid: str) -> Mutate:
    def mutate(tbs: Tbs) -> None:
        kept = [one for one in tbs["crl_extensions"] if one["extn_id"].dotted != oid]
        tbs["crl_extensions"] = crl.TBSCertListExtensions(kept)

    return mutate


def more_extension(oid: str, value: bytes, *, critical: bool = False) -> Mutate:
    def mutate(tbs: Tbs) -> None:
        tbs["crl_extensions"].append(
            crl.TBSCertListExtension(
                {"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(value)}
            )
        )

    return mutate


def time(name: str, moment: datetime) -> Mutate:
    def mutate(tbs: Tbs) -> None:
        tbs[name] = x509.Time(name="utc_time", value=moment)

    return mutate


def named(issuer: DirectoryName) -> Mutate:
    def mutate(tbs: Tbs) -> None:
        tbs["issuer"] = x509.Name.load(encode_name(issuer))

    return mutate


def swapped(tbs: Tbs) -> None:
    entries = list(tbs["revoked_certificates"])
    entries[3], entries[4] = entries[4], entries[3]
    tbs["revoked_certificates"] = crl.RevokedCertificates(entries)


def doubled(number: int, **fields) -> Mutate:
    def mutate(tbs: Tbs) -> None:
        entries = list(tbs["revoked_certificates"])
        again = encode_entry(replace(TODAY[number], **fields))
        entries.insert(sorted(TODAY).index(number) + 1, crl.RevokedCertificate.load(again))
        tbs["revoked_certificates"] = crl.RevokedCertificates(entries)

    return mutate


def critical_in_entry(tbs: Tbs) -> None:
    tbs["revoked_certificates"][1]["crl_entry_extensions"][0]["critical"] = True


def other_algorithm(tbs: Tbs) -> None:
    tbs["signature"] = {"algorithm": "sha384_rsa"}


def value_of(value: ListExtension) -> bytes:
    (fact,) = read_extensions(der.sequence(encode_extension(value, critical=True)))
    return fact.value


def no_entries(tbs: Tbs) -> None:
    del tbs["revoked_certificates"]


AKI, NUMBER_OID, POINT_OID, DELTA = "2.5.29.35", "2.5.29.20", "2.5.29.28", "2.5.29.27"
ELSEWHERE = DirectoryName((*POINT.steps[:-1], *DirectoryName.of([("CN", "Minato-ku CRLDP")], "test").steps))
ANOTHER_KEY = x509.AuthorityKeyIdentifier({"key_identifier": key_id("another generation")}).dump()
FRESHEST = FreshestPoint("http://repository.example/delta.crl", POINT)
FLIPPED = TODAYS_LIST[:-1] + bytes([TODAYS_LIST[-1] ^ 1])
DAMAGED = LAST_LIST.replace(encode_entry(LAST[70]), encode_entry(replace(LAST[70], revoked_at=NOW)))

MUTANTS: dict[str, Mutant] = {
    "empty": Mutant(Block.EMPTY, no_entries),
    "empty like the last one, but not the store": Mutant(Block.EMPTY, no_entries, last=of_yesterday({})),
    "empty, and so is the store": Mutant(Block.EMPTY, no_entries, entries=0),
    "an entry is missing": Mutant(Block.MISSING_ENTRY, revoked=without(70)),
    "the first entry is missing": Mutant(Block.MISSING_ENTRY, revoked=without(10)),
    "the last entry is missing": Mutant(Block.MISSING_ENTRY, revoked=without(90)),
    "an entry is missing, and the store lacks it too": Mutant(
        Block.MISSING_ENTRY, revoked=without(70), entries=len(TODAY) - 1
    ),
    "a hold is gone without having been lifted": Mutant(
        Block.MISSING_ENTRY, revoked=without(20), entries=len(TODAY) - 1
    ),
    "one entry may go and another one goes": Mutant(
        Block.MISSING_ENTRY, revoked=without(70), entries=len(TODAY) - 1, fields={"excuses": excuses(expired=[80])}
    ),
    "an end is gone, and the store says that it was let go": Mutant(
        Block.MISSING_ENTRY, revoked=without(70), entries=len(TODAY) - 1, fields={"excuses": excuses(let_go=[70])}
    ),
    "an end is gone beside a hold that was let go": Mutant(
        Block.MISSING_ENTRY, revoked=without(20, 70), entries=len(TODAY) - 2, fields={"excuses": excuses(let_go=[20, 70])}
    ),
    "all are gone, and the store says that they were let go": Mutant(
        Block.EMPTY, revoked={}, entries=0, fields={"excuses": excuses(let_go=LAST)}
    ),
    "a later date": Mutant(Block.DATE_CHANGED, revoked(70, revoked_at=YESTERDAY)),
    "an earlier date": Mutant(Block.DATE_CHANGED, revoked(70, revoked_at=BEFORE_YESTERDAY - HOUR)),
    "a later date with a worse reason": Mutant(
        Block.DATE_CHANGED, revoked(70, revoked_at=YESTERDAY, reason=COMPROMISE)
    ),
    "a later date of a hold that was not lifted": Mutant(
        Block.DATE_CHANGED, revoked(20, revoked_at=YESTERDAY, reason=HOLD)
    ),
    "a later date of an end, whatever was recorded since": Mutant(
        Block.DATE_CHANGED, revoked(70, revoked_at=YESTERDAY), fields={"excuses": excuses(let_go=[70])}
    ),
    "no suspicion any more": Mutant(Block.DATE_CHANGED, revoked(40, invalid_since=None)),
    "a later suspicion": Mutant(Block.DATE_CHANGED, revoked(40, invalid_since=BEFORE_YESTERDAY)),
    "a suspicion from nowhere": Mutant(Block.DATE_CHANGED, revoked(70, invalid_since=BEFORE_YESTERDAY)),
    "a compromise becomes harmless": Mutant(Block.REASON_CHANGED, revoked(30, reason=SUPERSEDED)),
    "an end becomes a hold": Mutant(Block.REASON_CHANGED, revoked(70, reason=HOLD)),
    "an end becomes another": Mutant(
        Block.REASON_CHANGED, revoked(70, reason=RevocationReason.AFFILIATION_CHANGED)
    ),
    "an unspecified end becomes specified": Mutant(Block.REASON_CHANGED, revoked(50, reason=SUPERSEDED)),
    "of an earlier moment": Mutant(Block.OLDER, time("this_update", YESTERDAY - SECOND)),
    "of an earlier moment than the store knows": Mutant(
        Block.OLDER, fields={"before": Before(LAST_NUMBER, NOW + SECOND, 9, 40)}
    ),
    "of an earlier state of the store": Mutant(Block.OLDER, fields={"sequence": 39}),
    "another town's point": Mutant(
        Block.WRONG_POINT, extension(POINT_OID, extn_value=value_of(IssuingPoint(ELSEWHERE, Holds.USER)))
    ),
    "no point": Mutant(Block.WRONG_POINT, no_extension(POINT_OID)),
    "a point that may be overlooked": Mutant(Block.WRONG_POINT, extension(POINT_OID, critical=False)),
    "for CA certificates": Mutant(
        Block.WRONG_POINT,
        extension(POINT_OID, extn_value=value_of(IssuingPoint(POINT, Holds.CA))),
    ),
    "a full list in a partition's place": Mutant(
        Block.WRONG_POINT, octets=of_today(TODAY, holds=Holds.ALL), last=LAST_LIST
    ),
    "signed by another authority": Mutant(Block.WRONG_KEY, lambda _: None, signed_by="other authority"),
    "a wrong signature": Mutant(Block.WRONG_KEY, octets=FLIPPED),
    "an entry changed after signing": Mutant(
        Block.WRONG_KEY,
        octets=TODAYS_LIST.replace(encode_entry(TODAY[70]), encode_entry(replace(TODAY[70], revoked_at=NOW))),
    ),
    "another algorithm": Mutant(Block.WRONG_KEY, other_algorithm),
    "another generation signs and says so": Mutant(
        Block.WRONG_GENERATION,
        extension(AKI, extn_value=ANOTHER_KEY),
        signed_by="another generation",
    ),
    "another generation is named": Mutant(
        Block.WRONG_GENERATION, extension(AKI, extn_value=ANOTHER_KEY)
    ),
    "no key is named": Mutant(Block.WRONG_GENERATION, no_extension(AKI)),
    "another issuer": Mutant(
        Block.WRONG_ISSUER, named(OTHER_AUTHORITY)
    ),
    "the same number": Mutant(
        Block.NUMBER, octets=of_today(TODAY, LAST_NUMBER), fields={"number": LAST_NUMBER}
    ),
    "a lower number": Mutant(Block.NUMBER, octets=of_today(TODAY, 99), fields={"number": 99}),
    "a lower number than the store knows": Mutant(
        Block.NUMBER, fields={"before": Before(NUMBER, YESTERDAY, 9, 40)}
    ),
    "another number than was written down": Mutant(Block.NUMBER, octets=of_today(TODAY, NUMBER + 1)),
    "no number": Mutant(Block.NUMBER, no_extension(NUMBER_OID)),
    "a critical number": Mutant(Block.NUMBER, extension(NUMBER_OID, critical=True)),
    "nextUpdate is thisUpdate": Mutant(Block.TIMES, time("next_update", NOW)),
    "nextUpdate before thisUpdate": Mutant(Block.TIMES, time("next_update", NOW - SECOND)),
    "nextUpdate has passed": Mutant(Block.TIMES, fields={"at": NOW + DAY}),
    "an entry twice": Mutant(Block.DUPLICATE, doubled(70), entries=len(TODAY) + 1),
    "an entry twice, otherwise the second time": Mutant(
        Block.DUPLICATE, doubled(15, reason=COMPROMISE), entries=len(TODAY) + 1
    ),
    "two entries swapped": Mutant(Block.ORDER, swapped),
    "a new entry behind a higher one": Mutant(Block.ORDER, serial(15, serial_of(5).value)),
    "a serial with the high bit": Mutant(Block.SERIAL, serial(15, serial_of(15).value - (1 << 159))),
    "the serial zero": Mutant(Block.SERIAL, serial(15, 0)),
    "a serial of 21 octets": Mutant(Block.SERIAL, serial(15, 1 << 160)),
    "revoked after thisUpdate": Mutant(Block.ENTRY, revoked(15, revoked_at=NOW + SECOND)),
    "suspected after the end": Mutant(Block.ENTRY, revoked(15, invalid_since=NOW)),
    "no reason of holders' certificates": Mutant(
        Block.ENTRY, revoked(15, reason=RevocationReason.AA_COMPROMISE)
    ),
    "removed in a complete list": Mutant(Block.ENTRY, revoked(20, reason=LIFTED)),
    "a critical extension in an entry": Mutant(Block.ENTRY, critical_in_entry),
    "an extension twice": Mutant(
        Block.WRONG_EXTENSION, more_extension(NUMBER_OID, core.Integer(NUMBER).dump())
    ),
    "an extension that nobody asked for": Mutant(
        Block.WRONG_EXTENSION, more_extension("2.5.29.46", value_of(FRESHEST))
    ),
    "no word of the delta list": Mutant(
        Block.WRONG_EXTENSION, fields={"freshest": FRESHEST}
    ),
    "a delta list in a complete one's place": Mutant(
        Block.WRONG_BASE, more_extension(DELTA, core.Integer(LAST_NUMBER).dump(), critical=True)
    ),
    "more entries than the store has": Mutant(Block.COUNT, entries=len(TODAY) - 1),
    "fewer entries than the store has": Mutant(Block.COUNT, revoked=without(15)),
    "cut short": Mutant(Block.UNREADABLE, octets=TODAYS_LIST[:-1]),
    "followed by something": Mutant(Block.UNREADABLE, octets=TODAYS_LIST + b"\0"),
    "nothing at all": Mutant(Block.UNREADABLE, octets=b""),
    "of version 1": Mutant(Block.UNREADABLE, lambda tbs: tbs.__setitem__("version", 0)),
    "too many new entries": Mutant(
        Block.MASS_JUMP, revoked=TODAY | some(11, 12, 13), entries=len(TODAY) + 3, fields={"limit": JumpLimit(5, 0.1)}
    ),
    "the last list is lost": Mutant(Block.LAST_LOST, last=None),
    "the last list is lost, and it had as many entries": Mutant(
        Block.LAST_LOST, last=None, fields={"before": Before(LAST_NUMBER, YESTERDAY, len(TODAY), 50)}
    ),
    "an older list lies in the last one's place": Mutant(Block.LAST_UNFIT, last=of_yesterday(LAST, LAST_NUMBER - 1)),
    "an older list lies there, and says all that this one says": Mutant(
        Block.LAST_UNFIT, revoked=LAST, entries=len(LAST), last=of_yesterday(LAST, LAST_NUMBER - 1)
    ),
    "the last list is damaged": Mutant(Block.LAST_UNFIT, last=DAMAGED),
    "the last list is no list": Mutant(Block.LAST_UNFIT, last=LAST_LIST[:-1]),
    "the last list is another place's": Mutant(Block.LAST_UNFIT, last=of_yesterday(LAST, holds=Holds.ALL)),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_a_wrong_list_is_kept_back_for_what_is_wrong(mutant: Mutant) -> None:
    entries = len(TODAY) if mutant.entries is None else mutant.entries
    error = blocked(mutant.draft, mutant.last, entries, **mutant.fields)
    assert error.reason == mutant.block, str(error)
    assert error.place.startswith("list jpki-13.g1 signature-131016")


def test_every_block_has_a_mutant() -> None:
    named = {mutant.block for mutant in (*MUTANTS.values(), *DELTA_MUTANTS.values())}
    assert named | {Block.MISSING_PARTITION} == set(Block)


# Deltas: what yesterday's complete list lacks. There was one this morning already.

BASE: Revoked = LAST | some(21, 22, 25, reason=HOLD)
BASE_LIST = of_yesterday(BASE)
MORNING: Revoked = {
    15: revocation_of(15),
    20: replace(BASE[20], reason=SUPERSEDED),
    22: replace(BASE[22], reason=LIFTED),
}
CHANGED: Revoked = {
    **MORNING,
    16: revocation_of(16),
    15: replace(MORNING[15], reason=COMPROMISE),
    21: replace(BASE[21], reason=LIFTED),
    60: replace(BASE[60], reason=COMPROMISE),
}


def delta_of(revoked: Revoked, number: int = NUMBER, base: int = LAST_NUMBER, **fields) -> bytes:
    return list_of(draft_of(number, base=base, **fields), encoded(revoked))


MORNINGS_DELTA = delta_of(MORNING, 150, this_update=NOW - HOUR)
TODAYS_DELTA = delta_of(CHANGED)


@dataclass(frozen=True)
class DeltaMutant:
    """A delta list that must not pass; ``lifted`` is what the store has as let go of a hold."""

    block: Block
    revoked: Revoked = field(default_factory=lambda: CHANGED)
    octets: bytes | None = None
    last: bytes | None = MORNINGS_DELTA
    lifted: tuple[int, ...] = (21, 22)
    base: bytes = BASE_LIST
    fields: dict[str, Any] = field(default_factory=dict)


def delta_passed(
    octets: bytes, entries: int, last: bytes | None = MORNINGS_DELTA, base: bytes = BASE_LIST, **fields
) -> Jump:
    usual = {
        "excuses": excuses(let_go=[21, 22]),
        "before": None if last is None else Before(150, NOW - HOUR, len(MORNING), 45),
        "base": base_of(base),
    }
    return passed(octets, last, entries, **(usual | fields))


DELTA_MUTANTS: dict[str, DeltaMutant] = {
    "another base than was said": DeltaMutant(Block.WRONG_BASE, octets=delta_of(CHANGED, base=99)),
    "the base's file is another list": DeltaMutant(Block.WRONG_BASE, base=of_yesterday(BASE, 101)),
    "a complete list": DeltaMutant(Block.WRONG_BASE, octets=of_today(CHANGED)),
    "the base is a delta": DeltaMutant(Block.LAST_UNFIT, base=delta_of(BASE, LAST_NUMBER, 50)),
    "the base is damaged": DeltaMutant(
        Block.LAST_UNFIT,
        base=BASE_LIST.replace(encode_entry(BASE[25]), encode_entry(replace(BASE[25], revoked_at=NOW))),
    ),
    "its base's number": DeltaMutant(
        Block.NUMBER, octets=delta_of(CHANGED, LAST_NUMBER), last=None, fields={"number": LAST_NUMBER}
    ),
    "older than its base": DeltaMutant(
        Block.OLDER, octets=delta_of(CHANGED, this_update=YESTERDAY - SECOND), last=None
    ),
    "what the base says": DeltaMutant(Block.NOT_NEWER, CHANGED | {70: BASE[70]}),
    "an end is removed": DeltaMutant(
        Block.WRONGLY_REMOVED, CHANGED | {70: replace(BASE[70], reason=LIFTED)}, lifted=(21, 22, 70)
    ),
    "a hold is removed that was not lifted": DeltaMutant(
        Block.WRONGLY_REMOVED, CHANGED | {25: replace(BASE[25], reason=LIFTED)}
    ),
    "what nobody knows is removed": DeltaMutant(
        Block.WRONGLY_REMOVED, CHANGED | {17: replace(revocation_of(17), reason=LIFTED)}
    ),
    "less than this morning": DeltaMutant(
        Block.MISSING_ENTRY, {number: one for number, one in CHANGED.items() if number != 20}
    ),
    "an end of this morning is gone, and the store says that it was let go": DeltaMutant(
        Block.MISSING_ENTRY, {number: one for number, one in CHANGED.items() if number != 15}, lifted=(15, 21, 22)
    ),
    "what was removed this morning is gone": DeltaMutant(
        Block.MISSING_ENTRY, {number: one for number, one in CHANGED.items() if number != 22}
    ),
    "an end of this morning is removed, and the store says that it was let go": DeltaMutant(
        Block.REASON_CHANGED, CHANGED | {15: replace(CHANGED[15], reason=LIFTED)}, lifted=(15, 21, 22)
    ),
    "an end of the last one, which had another base, is gone": DeltaMutant(
        Block.MISSING_ENTRY, last=delta_of(MORNING | {17: revocation_of(17)}, 150, 90, this_update=NOW - HOUR),
        lifted=(17, 21, 22),
    ),
    "the last one, which had another base, says worse than this base": DeltaMutant(
        Block.REASON_CHANGED, last=delta_of({70: replace(BASE[70], reason=COMPROMISE)}, 150, 90, this_update=NOW - HOUR)
    ),
    "the last one, which had another base, says worse than this": DeltaMutant(
        Block.REASON_CHANGED, last=delta_of({16: replace(CHANGED[16], reason=COMPROMISE)}, 150, 90, this_update=NOW - HOUR)
    ),
    "this morning's is lost, and its complete list does not go with it": DeltaMutant(
        Block.LAST_LOST, last=None, fields={"before": Before(150, NOW - HOUR, len(MORNING), 45)}
    ),
    "one of before this morning lies in its place": DeltaMutant(
        Block.LAST_UNFIT, last=delta_of(MORNING, 149, this_update=NOW - HOUR), fields={"before": Before(150, NOW - HOUR, 3, 45)}
    ),
    "other than this morning": DeltaMutant(
        Block.DATE_CHANGED, CHANGED | {20: replace(CHANGED[20], revoked_at=YESTERDAY)}
    ),
    "other than in the base": DeltaMutant(
        Block.REASON_CHANGED, CHANGED | {70: replace(BASE[70], reason=HOLD)}
    ),
    "empty": DeltaMutant(Block.EMPTY, {}, fields={"entries": 3}),
    "too much at once": DeltaMutant(Block.MASS_JUMP, last=None, fields={"limit": JumpLimit(5, 0.1)}),
}  # fmt: skip


@pytest.mark.parametrize("mutant", DELTA_MUTANTS.values(), ids=DELTA_MUTANTS.keys())
def test_a_wrong_delta_is_kept_back_for_what_is_wrong(mutant: DeltaMutant) -> None:
    octets = delta_of(mutant.revoked) if mutant.octets is None else mutant.octets
    fields = {"entries": len(mutant.revoked), "excuses": excuses(let_go=mutant.lifted)} | mutant.fields
    with pytest.raises(ListBlocked) as caught:
        delta_passed(octets, last=mutant.last, base=mutant.base, **fields)
    assert caught.value.reason == mutant.block, str(caught.value)


@pytest.mark.parametrize(
    ("last", "new"), [(MORNINGS_DELTA, 3), (None, 6), (delta_of(MORNING | some(70) | {25: BASE[25], 26: replace(revocation_of(26), reason=LIFTED)}, 150, base=90), 6)],
    ids=["after another", "the first", "after another base's"],
)  # fmt: skip
def test_a_right_delta_passes(last: bytes | None, new: int) -> None:
    before = None if last is None else Before(150, NOW - HOUR, len(MORNING), 45)
    assert delta_passed(TODAYS_DELTA, len(CHANGED), last, before=before).new == new


def test_a_delta_that_goes_with_its_complete_list_may_go_far() -> None:
    assert delta_passed(TODAYS_DELTA, len(CHANGED), last=None, limit=None).new == 6


def test_a_delta_whose_last_one_is_lost_passes_with_its_complete_list() -> None:
    lost = Before(150, NOW - HOUR, len(MORNING), 45)
    assert delta_passed(TODAYS_DELTA, len(CHANGED), last=None, limit=None, before=lost).new == 6


@pytest.mark.parametrize(
    ("number", "now", "lifted"),
    [
        (22, replace(BASE[22], revoked_at=NOW), (21, 22)),
        (22, replace(BASE[22], revoked_at=NOW, reason=SUPERSEDED), (21, 22)),
        (22, replace(BASE[22], revoked_at=NOW, reason=LIFTED), (21, 22)),
        (95, revocation_of(95), (21, 22)),
        (95, replace(revocation_of(95), reason=LIFTED), (21, 22, 95)),
    ],
    ids=["held again", "ended after all", "held and let go again", "above all in the base", "came and went"],
)  # fmt: skip
def test_what_is_legal_passes_in_a_delta(number: int, now: Revocation, lifted: tuple[int, ...]) -> None:
    today = CHANGED | {22: MORNING[22], number: now}
    delta_passed(delta_of(today), len(today), excuses=excuses(let_go=lifted))


def test_what_expired_may_leave_a_delta() -> None:
    less = {number: one for number, one in CHANGED.items() if number != 20}
    gone = excuses(expired=[20], let_go=[21, 22])
    assert delta_passed(delta_of(less), len(less), excuses=gone).gone == 1


def test_an_empty_delta_passes_where_nothing_changed() -> None:
    assert delta_passed(delta_of({}), 0, last=None) == Jump(LAST_NUMBER, 50, 0, 0, 0)


# What is legal.


@pytest.mark.parametrize(
    ("today", "why", "jump"),
    [
        (LAST, {}, (0, 0, 0)),
        (without(70), {"expired": [70]}, (1, 2, 1)),
        (without(20, 70), {"expired": [70], "let_go": [20]}, (1, 1, 2)),
        (without(20), {"expired": [20]}, (1, 1, 1)),
        (without(*LAST), {"expired": LAST}, (1, 0, 9)),
        (LAST | {20: replace(LAST[20], revoked_at=NOW)}, {"let_go": [20]}, (0, 1, 0)),
        (LAST | {20: replace(LAST[20], reason=COMPROMISE, revoked_at=NOW)}, {"let_go": [20]}, (0, 1, 0)),
        ({**without(20), 95: revocation_of(95)}, {"let_go": [20]}, (2, 1, 1)),
        (LAST | {20: replace(LAST[20], reason=COMPROMISE, revoked_at=BEFORE_YESTERDAY - HOUR)}, {}, (0, 1, 0)),
        (LAST | {30: LAST[30]}, {}, (0, 0, 0)),
    ],
    ids=[
        "nothing new",
        "an expired one is gone",
        "an expired one is gone, and a lifted hold",
        "an expired hold is gone",
        "all but one are gone",
        "held again after the hold was lifted",
        "ended after the hold was lifted",
        "a lifted hold is gone",
        "it was worse, and earlier",
        "the same",
    ],
)  # fmt: skip
def test_what_is_legal_passes(
    today: Revoked, why: dict[str, Iterable[int]], jump: tuple[int, int, int]
) -> None:
    found = passed(of_today(today), entries=len(today), excuses=excuses(**why))
    assert (found.new, found.changed, found.gone) == jump


@pytest.mark.parametrize("batch", [1, 2, 4, 9, 10])
def test_how_many_are_asked_about_at_once_does_not_matter(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_entries, "_ASKED_AT_ONCE", batch)
    asked: list[int] = []

    def answer(serials: Sequence[Serial]) -> frozenset[Serial]:
        asked.append(len(serials))
        return frozenset(serials) - {serial_of(30)}

    why = Excuses(expired=answer, let_go=excuses().let_go)
    assert passed(of_today(without(*LAST) | {30: LAST[30]}), entries=2, excuses=why).gone == 8
    assert (sum(asked), max(asked)) == (8, min(batch, 8))
    error = blocked(of_today(without(*LAST)), entries=1, excuses=why)
    assert (error.reason, str(serial_of(30)) in error.problem) == (Block.MISSING_ENTRY, True)


def test_a_list_becomes_empty_when_all_have_expired() -> None:
    assert passed(of_today({}), entries=0, excuses=excuses(expired=LAST)).gone == len(LAST)


def test_of_holds_alone_it_is_asked_whether_they_were_let_go() -> None:
    asked: list[Serial] = []

    def let_go(serials: Sequence[Serial]) -> frozenset[Serial]:
        asked.extend(serials)
        return frozenset(serials)

    why = Excuses(excuses(expired=[10, 30, 40, 50, 60, 70, 80, 90]).expired, let_go)
    assert passed(of_today(without(*LAST)), entries=1, excuses=why).gone == 9
    assert asked == [serial_of(20)]


def test_the_first_list_of_a_place_may_say_anything() -> None:
    assert passed(TODAYS_LIST, None, before=None, limit=JumpLimit(1, 0)) == Jump(0, 50, len(TODAY), 0, 0)


@pytest.mark.parametrize("holds", Holds)
def test_every_kind_of_list_passes(holds: Holds) -> None:
    entries = some(1, 2, reason=RevocationReason.AFFILIATION_CHANGED)
    lists = (
        of_today(entries, holds=holds),
        of_yesterday(some(1, reason=RevocationReason.AFFILIATION_CHANGED), holds=holds),
    )
    assert passed(*lists, 2, place=place_of(holds)).new == 1


def test_a_list_with_its_delta_lists_point_passes() -> None:
    draft = draft_of(NUMBER)
    placed = replace(draft.extensions[0], value=FRESHEST)
    octets = list_of(replace(draft, extensions=(*draft.extensions, placed)), encoded(TODAY))
    assert passed(octets, freshest=FRESHEST).new == 1


def test_which_list_the_file_holds_counts_not_where_it_stands() -> None:
    file = io.BytesIO(TODAYS_LIST)
    file.seek(77)
    assert pass_gate(file, io.BytesIO(LAST_LIST), expected(len(TODAY))).jump.new == 1


# Places.

PLACES = [Scope("arl"), Scope("full"), Scope("signature-131016")]


@pytest.mark.parametrize(
    ("drafted", "public"), [(PLACES, []), ([], PLACES), (PLACES[:1], PLACES), (PLACES[1:], PLACES[:1])]
)
def test_each_place_has_a_list(drafted: list[Scope], public: list[Scope]) -> None:
    require_places(GENERATION, PLACES, drafted, public)


@pytest.mark.parametrize(
    ("drafted", "public", "block"),
    [
        (PLACES[:2], [], Block.MISSING_PARTITION),
        ([], PLACES[1:], Block.MISSING_PARTITION),
        ([*PLACES, Scope("signature-131024")], [], Block.WRONG_POINT),
    ],
)
def test_a_place_without_a_list_keeps_the_others_back(
    drafted: list[Scope], public: list[Scope], block: Block
) -> None:
    with pytest.raises(ListBlocked) as caught:
        require_places(GENERATION, PLACES, drafted, public)
    assert caught.value.reason == block


# Mass jumps and their release.

MANY = TODAY | some(11, 12, 13)
FEW = JumpLimit(5, 0.1)
SHOWN = Jump(LAST_NUMBER, 50, new=4, changed=2, gone=0)


def jump_of(revoked: Revoked, **fields) -> Jump:
    return passed(of_today(revoked), entries=len(revoked), limit=FEW, **fields)


def test_the_alarm_tells_what_is_to_be_released() -> None:
    error = blocked(of_today(MANY), entries=len(MANY), limit=FEW)
    assert Jump(**error.facts) == SHOWN
    assert "4 entries are new, 2 changed and 0 gone at once; 5 are usual" in str(error)


def test_what_was_released_passes() -> None:
    assert jump_of(MANY, released=SHOWN) == SHOWN


def test_what_came_meanwhile_passes_as_far_as_it_is_usual() -> None:
    five = MANY | some(1, 2, 3, 4, 5)
    assert jump_of(five, released=SHOWN, sequence=55).new == 9
    error = blocked(of_today(five | some(6)), entries=len(five) + 1, limit=FEW, released=SHOWN, sequence=56)
    assert error.reason == Block.MASS_JUMP
    assert Jump(**error.facts) == Jump(LAST_NUMBER, 56, new=10, changed=2, gone=0)


@pytest.mark.parametrize(
    "released",
    [
        replace(SHOWN, last=LAST_NUMBER - 1),
        replace(SHOWN, last=NUMBER),
        replace(SHOWN, sequence=51),
        Jump(LAST_NUMBER, 50, 0, 0, 6),
    ],
    ids=["after an earlier list", "after a later list", "of a later state", "of something else"],
)
def test_a_release_is_for_what_was_shown_alone(released: Jump) -> None:
    assert blocked(of_today(MANY), entries=len(MANY), limit=FEW, released=released).reason == Block.MASS_JUMP


# A last list that is lost in every copy: two officers see the counts, and release it.

BEFORE = Before(LAST_NUMBER, YESTERDAY, 20, 40)
LOSS = Jump(0, 50, new=0, changed=0, gone=10)


def after_a_loss(revoked: Revoked = TODAY, **fields) -> Jump:
    return passed(of_today(revoked), None, len(revoked), **({"limit": FEW} | fields))


def test_of_a_lost_list_the_counts_are_shown() -> None:
    error = blocked(TODAYS_LIST, None, limit=FEW)
    assert (error.reason, Jump(**error.facts)) == (Block.LAST_LOST, LOSS)
    assert "every copy of number 100, which had 20 entries, is lost" in str(error)
    assert after_a_loss(released=LOSS) == LOSS


@pytest.mark.parametrize(
    "released",
    [
        replace(LOSS, last=LAST_NUMBER),
        replace(LOSS, sequence=51),
        replace(LOSS, gone=4),
        Jump(LAST_NUMBER, 50, 99, 99, 99),
    ],
    ids=["a jump's", "of a later state", "of less", "of a jump over all"],
)
def test_only_a_loss_that_was_shown_passes(released: Jump) -> None:
    assert blocked(TODAYS_LIST, None, limit=FEW, released=released).reason == Block.LAST_LOST


def test_a_released_loss_lets_no_jump_pass() -> None:
    error = blocked(of_today(MANY), entries=len(MANY), limit=FEW, released=LOSS)
    assert error.reason == Block.MASS_JUMP


def test_of_an_empty_list_nothing_can_be_missing() -> None:
    assert after_a_loss(before=replace(BEFORE, entries=0), limit=JumpLimit(1, 0)).last == 0


def test_a_release_lets_nothing_else_pass() -> None:
    error = blocked(of_today(without(70)), entries=len(TODAY) - 1, released=replace(SHOWN, gone=1), limit=FEW)
    assert error.reason == Block.MISSING_ENTRY


def test_what_officers_have_ordered_is_usual() -> None:
    assert jump_of(MANY, announced=1) == SHOWN


def test_a_share_of_a_long_list_is_usual() -> None:
    assert passed(of_today(MANY), entries=len(MANY), limit=JumpLimit(1, 0.7)) == SHOWN
    assert JumpLimit(10, 0.5).of(0) == JumpLimit(10, 0.5).of(20) == 10
    assert JumpLimit(10, 0.5).of(100) == 50
    assert USUAL.of(1_000_000) == 100_000
    assert (USUAL.of_part().of(5_300), USUAL.of_part().of(20_000)) == (1_000, 2_000)
    assert JumpLimit(3, 0).of_part() == JumpLimit(1, 0)


# Any legal history passes, list for list and delta for delta.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "end", "compromise", "lift", "expire", "publish", "publish base"]),
        st.integers(1, 3),
    ),
    max_size=60,
)


class History:
    """Certificates that are held, ended, let go of and expire, and the lists that say so, as the law allows."""

    def __init__(self) -> None:
        self.at = NOW
        self.number = 1
        self.standing: Revoked = {}
        self.expired: set[int] = set()
        self.long_expired: set[int] = set()  # one list has named them since
        self.let_go: set[int] = set()  # since the last list
        self.lifted: set[int] = set()  # ever
        self.changed: set[int] = set()  # since the base
        self.last = self.last_delta = self.base = None
        self.base_number = 0

    def take(self, step: str, number: int) -> None:
        before = self.standing.get(number)
        reason = None if before is None else before.reason
        if number in self.expired and not step.startswith("publish"):
            return
        match step:
            case "hold" if reason in (None, LIFTED):
                self.say(number, HOLD, self.at)
            case "end" if reason in (None, LIFTED, HOLD):
                self.say(number, SUPERSEDED, before.revoked_at if reason is HOLD else self.at)
            case "compromise" if reason is not COMPROMISE:
                fresh = reason in (None, LIFTED)
                self.say(number, COMPROMISE, self.at if fresh else before.revoked_at, self.at - DAY)
            case "lift" if reason is HOLD:
                self.say(number, LIFTED, before.revoked_at)
                self.let_go.add(number)
                self.lifted.add(number)
            case "expire":
                self.expired.add(number)
            case "publish" | "publish base":
                self.publish(base=step == "publish base")

    def say(self, number: int, reason: RevocationReason, at: datetime, since: datetime | None = None) -> None:
        suspected = None if since is None else min(since, at)
        self.standing[number] = revocation_of(number, reason=reason, revoked_at=at, invalid_since=suspected)
        self.changed.add(number)

    def publish(self, *, base: bool) -> None:
        self.at += HOUR
        self.number += 1
        times = {"this_update": self.at, "next_update": self.at + DAY}
        fields = {"at": self.at, "number": self.number, "before": None}
        complete = {number: one for number, one in self.standing.items() if one.reason is not LIFTED}
        octets = list_of(draft_of(self.number, **times), encoded(complete))
        why = excuses(expired=self.long_expired, let_go=self.let_go)
        passed(octets, self.last, len(complete), excuses=why, **fields)
        if self.base is not None:
            delta = {number: self.standing[number] for number in self.changed if number in self.standing}
            unsaid = delta.keys() - self.in_base - self.in_deltas
            delta = {
                number: one
                for number, one in delta.items()
                if one.reason is not LIFTED or number not in unsaid
            }
            delta_octets = list_of(draft_of(self.number, base=self.base_number, **times), encoded(delta))
            passed(
                delta_octets,
                self.last_delta,
                len(delta),
                excuses=excuses(expired=self.long_expired, let_go=self.lifted),
                base=base_of(self.base, self.base_number),
                **fields,
            )
            self.last_delta, self.in_deltas = delta_octets, self.in_deltas | delta.keys()
        # One list after the expiry has named it: what had expired by now may be gone from the next one.
        for number in self.expired & self.standing.keys():
            del self.standing[number]
        self.long_expired, self.let_go = set(self.expired), set()
        self.last = octets
        if base:
            self.base, self.base_number = octets, self.number
            self.changed, self.in_base, self.in_deltas = set(), set(complete), set()


@given(STEPS)
def test_any_legal_history_passes(steps: list[tuple[str, int]]) -> None:
    history = History()
    for step, number in steps:
        history.take(step, number)
    history.publish(base=False)


# Long lists.

LONG = 100_000


@pytest.fixture(scope="module")
def long_lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Yesterday's list, and today's with an entry new, changed and gone here and there."""
    folder = tmp_path_factory.mktemp("long")
    tail = encode_entry(some(1)[1])[24:]
    entries = [b"\x30\x33\x02\x14" + serial_of(2 * number).octets + tail for number in range(1, LONG + 1)]
    last, draft = folder / "last.crl", folder / "draft.crl"
    times = {"this_update": YESTERDAY, "next_update": NOW}
    last.write_bytes(list_of(draft_of(LAST_NUMBER, **times), entries))
    for number in range(0, LONG, LONG // 10):
        entries[number] = encode_entry(
            revocation_of(2 * number + 2, revoked_at=BEFORE_YESTERDAY, reason=COMPROMISE)
        )
        entries[number + 7] = entries[number + 7] + encode_entry(revocation_of(2 * (number + 7) + 3))
        entries[number + 11] = b""
    draft.write_bytes(list_of(draft_of(NUMBER), entries))
    return last, draft


def test_a_long_list_passes_in_little_memory(long_lists: tuple[Path, Path]) -> None:
    gone = [2 * (number + 12) for number in range(0, LONG, LONG // 10)]
    with long_lists[0].open("rb") as last, long_lists[1].open("rb") as draft:
        size = os.fstat(draft.fileno()).st_size
        tracemalloc.start()
        try:
            found = pass_gate(draft, last, expected(LONG, excuses=excuses(expired=gone)))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (found.jump.new, found.jump.changed, found.jump.gone) == (10, 10, 10)
    assert size > 5_000_000
    assert most < 1_500_000


def test_in_a_long_list_too_one_entry_is_missed(long_lists: tuple[Path, Path]) -> None:
    gone = [2 * (number + 12) for number in range(LONG // 10, LONG, LONG // 10)]
    with (
        long_lists[0].open("rb") as last,
        long_lists[1].open("rb") as draft,
        pytest.raises(ListBlocked, match=str(serial_of(24))) as caught,
    ):
        pass_gate(draft, last, expected(LONG, excuses=excuses(expired=gone)))
    assert caught.value.reason == Block.MISSING_ENTRY
