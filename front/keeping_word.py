"""A receipt held against what is published: its signature, the journal's heads, lists, status answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bridge.manifest import JOURNAL_HEAD
from bridge.relying.finding.fetch import HttpSource, Source
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.statements import check_statement
from ca.clock import utc_text
from ca.errors import BadInput, KakehashiError
from ca.model import GenerationId, Revocation, Serial
from ca.revoking.assurance.receipt_checks import Line, Verdict, check_heads, check_list, check_status
from ca.revoking.assurance.receipts import CertificatePart, Receipt
from ca.revoking.assurance.sights import HeadSight, StatusSight
from ca.suites import SuiteId
from ca.wire.facts import CertificateFacts
from front.watching.lists import fetch_list, see_list
from front.watching.published import (
    HEAD_LIMIT,
    ask_statuses,
    kept_head,
    published_anchor,
    published_issuer,
    read_head,
)

# Of a receipt with more records, only the newest head is asked.
_KEPT_HEADS = 50


@dataclass(frozen=True, slots=True)
class Published:
    """What a world publishes, at one moment.

    Attributes:
        trusted: The anchor's certificate; None to take the one that is published.
        legacy: The legacy suites whose signatures are believed in their time.
    """

    source: Source
    snapshot: Snapshot
    trusted: bytes | None
    at: datetime
    legacy: frozenset[SuiteId] = frozenset()

    @classmethod
    def read(
        cls,
        source: Source,
        trusted: bytes | None,
        at: datetime,
        legacy: frozenset[SuiteId] = frozenset(),
    ) -> Published:
        """Read the manifest, or raise BadInput."""
        return cls(source, Snapshot.read(source), trusted, at, legacy)

    def check(self, receipt: Receipt) -> Iterator[Line]:
        """Every check of a receipt against what is published."""
        yield self._signature(receipt)
        yield from self._heads(receipt)
        parts = sorted(receipt.said.certificates, key=lambda part: (part.id.generation, part.scope))
        for generation, of_generation in groupby(parts, key=lambda part: part.id.generation):
            yield from self._certificates(receipt, generation, list(of_generation))

    def _signature(self, receipt: Receipt) -> Line:
        world = self.snapshot.manifest.world
        what, where = "signature", f"world {world}"
        try:
            anchor = self.trusted or published_anchor(self.snapshot)
            signer = check_statement(
                receipt.statement,
                receipt.signature,
                "receipt",
                self.snapshot,
                anchor,
                self.at,
                self.legacy,
            )
        except KakehashiError as error:
            return Line(what, where, Verdict.REFUTED, f"{error.place}: {error.problem}")
        if receipt.said.world != world:
            return Line(what, where, Verdict.REFUTED, f"the receipt is of the world {receipt.said.world}")
        trust = "" if self.trusted else "; by the published anchor, which nobody has vouched for"
        return Line(what, where, Verdict.CONFIRMED, f"of {utc_text(signer.signed_at)}{trust}")

    def _heads(self, receipt: Receipt) -> Iterator[Line]:
        world = self.snapshot.manifest.world
        try:
            newest = read_head(self.source.read(JOURNAL_HEAD, HEAD_LIMIT), JOURNAL_HEAD, world)
        except BadInput:
            newest = None
        indices = [part.index for part in receipt.said.records]
        found = [kept_head(self.source, index, world) for index in indices if len(indices) <= _KEPT_HEADS]
        kept: dict[int, HeadSight] = {head.count: head for head in found if head is not None}
        yield from check_heads(receipt.said, newest, kept, self.at)

    def _certificates(
        self, receipt: Receipt, generation: GenerationId, parts: Sequence[CertificatePart]
    ) -> Iterator[Line]:
        try:
            issuer = self._issuer(generation)
        except BadInput as error:
            for part in parts:
                yield Line(part.certificate, error.place, Verdict.CANNOT_TELL, error.problem)
            return
        said: Mapping[Serial, StatusSight] = {}
        words = "nothing is served there to be asked"
        if isinstance(self.source, HttpSource):
            try:
                serials = [part.id.serial for part in parts]
                answered = ask_statuses(self.source, str(generation), issuer, serials, self.at, self.legacy)
                said = {one.serial: one for one in answered}
            except KakehashiError as error:
                words = error.problem
        for scope, of_scope in groupby(parts, key=lambda part: part.scope):
            yield from self._on_list(receipt, generation, scope, list(of_scope), issuer, said)
        for part in parts:
            status = said.get(part.id.serial)
            if status is None:
                yield Line(part.certificate, f"status of {generation}", Verdict.CANNOT_TELL, words)
            else:
                yield check_status(receipt.said, part, status, self.at)

    def _on_list(
        self,
        receipt: Receipt,
        generation: GenerationId,
        scope: str,
        parts: Sequence[CertificatePart],
        issuer: CertificateFacts,
        said: Mapping[Serial, StatusSight],
    ) -> Iterator[Line]:
        where = f"list {generation}/{scope}"
        try:
            this_update, listed = self._read_list(where, generation, scope, issuer, parts)
        except BadInput as error:
            for part in parts:
                yield Line(part.certificate, where, Verdict.CANNOT_TELL, error.problem)
            return
        for part in parts:
            serial = part.id.serial
            yield check_list(receipt.said, part, listed.get(serial), this_update, said.get(serial), self.at)

    def _read_list(
        self,
        where: str,
        generation: GenerationId,
        scope: str,
        issuer: CertificateFacts,
        parts: Sequence[CertificatePart],
    ) -> tuple[datetime, Mapping[Serial, Revocation]]:
        """Of when the newest list is, and what it says; BadInput if there is none that is right."""
        for entry in self.snapshot.manifest.lists:
            if (entry.generation, entry.scope) == (str(generation), scope):
                with fetch_list(self.source, entry.url) as file:
                    seen = see_list(file, entry, issuer, self.legacy)
                    for wrong in seen.suspicions:
                        raise BadInput(where, wrong.problem)
                    return seen.sight.this_update, seen.revocations([part.id.serial for part in parts])
        raise BadInput(where, "is not in the manifest")

    def _issuer(self, generation: GenerationId) -> CertificateFacts:
        for entry in self.snapshot.manifest.authorities:
            if entry.generation == str(generation):
                return published_issuer(self.snapshot, entry)
        raise BadInput("manifest.json", f"does not know {generation}")
