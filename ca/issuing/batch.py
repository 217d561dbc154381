"""Bulk: the certificates of many holders, in groups that share their transactions.

A batch was approved by one officer of the centre and is issued by another. Each row is a holder, who gets all the kinds
asked for, or none and the reason. Before anything is signed, the answer to the row (which certificates, or which
problem) is written down together with the holdings and the intents: a batch that broke off goes on with the rows that
have no answer, and what was intended is signed by ``cycle.recover``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ca.chance import Chance
from ca.errors import Conflict, CsrRefused, KakehashiError
from ca.issuing import cycle
from ca.issuing.claims import Claim, Claims, Granted
from ca.issuing.cycle import IssuedCertificate, Prepared
from ca.issuing.intake import read_csr
from ca.issuing.issuer import Issuers
from ca.issuing.standing import Standing, own_keys, standing_of
from ca.model import AuthorityId, CertificateKind, MunicipalityCode, Office, Resident
from ca.names import Municipalities
from ca.rules import registration
from ca.store import batches, certificates, holdings, officers
from ca.store.batches import BatchAnswer, BatchRecord
from ca.store.stores import KeptFirst, Stores, Writing

GROUP = 512
"""Rows that share their two commits; a sync of the disk costs about as much as signing fifteen certificates."""

# Rounds in which nothing could be written; far more often than a holder's standing changes while it is looked at.
_PATIENCE = 8
_LOST = "was lost by a crash before it was signed. Send the holder again"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One holder of a batch.

    Attributes:
        number: The row's place in what was handed in, from 1.
        holder: The resident's keyed code.
        csrs: A PKCS#10 request for each kind.
    """

    number: int
    resident: Resident = field(repr=False)
    holder: bytes = field(repr=False)
    card_expires: date | None = field(repr=False)
    csrs: tuple[tuple[CertificateKind, bytes], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: its kinds get the problem for an answer."""

    number: int
    kinds: tuple[CertificateKind, ...]
    problem: KakehashiError


@dataclass(frozen=True, slots=True)
class GroupDone:
    """How many rows of a group were given certificates, refused, or had their answers before; and certificates."""

    issued: int
    refused: int
    known: int
    certificates: int


def mend_batch(stores: Stores, batch: str) -> int:
    """Take back the answers whose certificates never reached their authority's own database; gives how many rows.

    Only a crash between the commits of two databases leaves any: what was not intended there was not signed. A row
    that has another certificate already keeps that one, and a problem in the place of the one that it lacks.
    """
    if not stores.own:
        return 0
    lost: dict[int, list[BatchAnswer]] = defaultdict(list)
    whole: set[int] = set()
    with stores.reading() as reading:
        for answer in batches.answers(reading.nation, batch):
            made = answer.certificate
            if made is None:
                continue
            if certificates.known(reading.of(made.generation.authority), made) is None:
                lost[answer.row].append(answer)
            else:
                whole.add(answer.row)
    with stores.nation.writing() as connection:
        for row, answers in lost.items():
            batches.take_back(connection, batch, answers)
            holdings.forget_certificates(
                connection, [answer.certificate for answer in answers if answer.certificate is not None]
            )
            if row in whole:
                batches.answer(
                    connection, batch, [replace(item, certificate=None, problem=_LOST) for item in answers]
                )
    return len(lost)


def begin_batch(
    stores: Stores, batch: str, rows: int, *, approver: str, operator: str, at: datetime
) -> BatchRecord:
    """Write down that a batch is approved and issued; a batch that was begun goes on as it was approved.

    Raises:
        NotFound: An officer is unknown.
        NotPermitted: The two are not an approver and an operator of the centre, or one and the same.
    """
    with stores.nation.writing() as connection:
        approving, issuing = officers.officer(connection, approver), officers.officer(connection, operator)
        registration.require_batch(approving, issuing)
        return batches.begin(connection, BatchRecord(batch, rows, approving[0].id, issuing[0].id, at))


class BatchIssuer:
    """Issues groups of one batch's rows.

    Args:
        batch: As it was approved.
        turn: Admits one writer at a time among the processes of a batch. The store does so too, but has the others
            ask again and again.
    """

    def __init__(
        self,
        issuers: Issuers,
        municipalities: Municipalities,
        chance: Chance,
        batch: BatchRecord,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._stores = issuers.stores
        self._claims = Claims(issuers, municipalities, chance)
        self._municipalities = municipalities
        self._batch = batch
        self._turn = nullcontext() if turn is None else turn
        self._offices: dict[MunicipalityCode, Office] = {}

    def issue(self, rows: Sequence[BatchRow | BadRow], at: datetime) -> GroupDone:
        """Answer a group of rows, and sign what it comes to.

        Raises:
            KeyRefused, TokenFailed: A key cannot sign now. What was intended stays, and is signed when it can.
            StorageFailed, HomeBusy: The store refused; whatever was not written down is done again next time.
            Conflict: The standing of the rows' holders changes too often to follow.
        """
        with self._stores.nation.reading() as connection:
            known = batches.answered(connection, self._batch.id, [row.number for row in rows])
        self._claims.begin()
        refusals: list[_Refusal] = []
        waiting: list[_Asked] = []
        for row in rows:
            if row.number not in known:
                try:
                    waiting.append(self._read(row, at))
                except KakehashiError as error:
                    kinds = row.kinds if isinstance(row, BadRow) else tuple(kind for kind, _ in row.csrs)
                    refusals.append(_Refusal(row.number, kinds, error))
        refused = len(refusals)
        granted: list[_Ready] = []
        patience = _PATIENCE
        while waiting or refusals:
            ready, later = self._prepare(waiting, refusals, at)
            refused = refused + len(waiting) - len(ready) - len(later)
            kept, again = self._write(ready, refusals)
            patience = patience if kept or refusals else patience - 1
            if not patience:
                raise Conflict(
                    "batch", "its holders' standing changes again and again", remedy="Run it again"
                )
            granted += kept
            waiting, refusals = [*later, *again], []
        self._sign([item.prepared for one in granted for item in one.granted], at)
        made = sum(len(one.granted) for one in granted)
        return GroupDone(len(granted), refused, len(known), made)

    def _read(self, row: BatchRow | BadRow, at: datetime) -> _Asked:
        """What a row asks for, its requests checked; raises what is wrong with it."""
        if isinstance(row, BadRow):
            raise row.problem
        place = f"row {row.number}"
        office = self._office(self._municipalities.window(row.resident.municipality).code)
        keys = []
        for kind, csr in row.csrs:
            practice = self._claims.require(office, row.resident, kind, row.card_expires, at)
            keys.append((kind, read_csr(csr, practice.keys, f"{place}, {kind} request")))
        if len({key for _, key in keys}) < len(keys):
            raise CsrRefused(place, "asks for two kinds with one key; each kind has a key pair of its own")
        claim = Claim(
            name=f"batch {self._batch.id[:16]} {place}",
            office=office,
            applicant=row.resident,
            holder=row.holder,
            card_expires=row.card_expires,
            keys=tuple(keys),
            decided_at=self._batch.approved_at,
        )
        return _Asked(row.number, claim)

    def _office(self, town: MunicipalityCode) -> Office:
        if town not in self._offices:
            with self._stores.nation.reading() as connection:
                self._offices[town] = officers.office(connection, town)
        return self._offices[town]

    def _prepare(
        self, waiting: Sequence[_Asked], refusals: list[_Refusal], at: datetime
    ) -> tuple[list[_Ready], list[_Asked]]:
        """Prepare what can be; gives it, and the rows of holders or keys that came twice, which have to wait.

        This costs most of the time, so it is done before the writers' lock is taken; ``_write`` looks again.
        """
        keys = [key for asked in waiting for _, key in asked.claim.keys]
        own = own_keys(self._stores, keys)
        with self._stores.reading() as reading:
            standing = standing_of(reading, _holders(waiting), keys)
        ready: list[_Ready] = []
        later: list[_Asked] = []
        seen: set[bytes] = set()
        for asked in waiting:
            claim = asked.claim
            mine = {key for _, key in claim.keys} | ({claim.holder} if claim.holder else set())
            if mine & seen:
                later.append(asked)
                continue
            seen |= mine
            try:
                for kind, key in claim.keys:
                    place = f"row {asked.number}, {kind} request"
                    if key in own:
                        raise CsrRefused(place, "its key is in another certificate or application")
                    standing.require_new_key(key, place)
                granted = self._claims.prepare(claim, standing, at)
            except KakehashiError as error:
                refusals.append(_Refusal(asked.number, tuple(kind for kind, _ in claim.keys), error))
                continue
            ready.append(_Ready(asked, tuple(granted), standing.part(claim.holder, claim.keys)))
        return ready, later

    def _write(
        self, ready: Sequence[_Ready], refusals: Sequence[_Refusal]
    ) -> tuple[list[_Ready], list[_Asked]]:
        """Write down answers, holdings and intents; gives what was written, and whose standing has changed."""
        kept: list[_Ready] = []
        again: list[_Asked] = []
        with self._turn, self._stores.writing(KeptFirst.NATION) as writing:
            asked = [one.asked for one in ready]
            now = standing_of(writing, _holders(asked), [key for one in asked for _, key in one.claim.keys])
            known = batches.answered(writing.nation, self._batch.id, [one.number for one in asked])
            for one in ready:
                claim = one.asked.claim
                if one.asked.number in known:  # by the end of a run that was thought dead
                    continue
                if now.part(claim.holder, claim.keys) == one.standing:
                    kept.append(one)
                else:
                    again.append(one.asked)
            holdings.add(writing.nation, [item.holding for one in kept for item in one.granted])
            batches.answer(
                writing.nation,
                self._batch.id,
                [
                    *(answer for one in kept for answer in one.answers()),
                    *(answer for refusal in refusals for answer in refusal.answers()),
                ],
            )
            _intend(writing, [item.prepared for one in kept for item in one.granted])
        return kept, again

    def _sign(self, prepared: Sequence[Prepared], at: datetime) -> None:
        issued = [cycle.sign(item, at) for item in prepared]
        if not issued:
            return
        with self._turn, self._stores.writing(KeptFirst.AUTHORITIES) as writing:
            by_authority: dict[AuthorityId, list[IssuedCertificate]] = defaultdict(list)
            for item in issued:
                by_authority[item.id.generation.authority].append(item)
            for authority, group in by_authority.items():
                certificates.complete_group(
                    writing.of(authority), [(item.id, item.encoded) for item in group]
                )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row whose requests were checked."""

    number: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A row that gets nothing, and why."""

    number: int
    kinds: tuple[CertificateKind, ...]
    problem: KakehashiError

    def answers(self) -> list[BatchAnswer]:
        return [BatchAnswer(self.number, kind, None, str(self.problem)) for kind in self.kinds]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row whose certificates are prepared, and how its holder and keys stood."""

    asked: _Asked
    granted: tuple[Granted, ...]
    standing: Standing

    def answers(self) -> list[BatchAnswer]:
        return [
            BatchAnswer(self.asked.number, item.holding.kind, item.holding.certificate, None)
            for item in self.granted
        ]


def _holders(asked: Iterable[_Asked]) -> list[bytes]:
    return [one.claim.holder for one in asked if one.claim.holder is not None]


def _intend(writing: Writing, prepared: Iterable[Prepared]) -> None:
    by_authority: dict[AuthorityId, list[Prepared]] = defaultdict(list)
    for item in prepared:
        by_authority[item.record.id.generation.authority].append(item)
    for authority, group in by_authority.items():
        cycle.intend(writing.of(authority), group)
