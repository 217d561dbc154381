"""The journal's head as it is public: who reads it believes it only if the world's repository signed it."""

from __future__ import annotations

from pathlib import Path

from bridge.crossing.plan import Plan
from bridge.manifest import JOURNAL_HEAD, JOURNAL_HEAD_SIGNATURE, JournalHead
from bridge.relying.finding.fetch import Source
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.statements import check_statement
from bridge.repository.heads import read_head
from ca.suites import SuiteId
from ca.wire.cms_facts import SIGNATURE_LIMIT

HEAD_LIMIT = 4096
"""Octets of a head at most."""


def signed_head(source: Source, anchor: bytes, legacy: frozenset[SuiteId] = frozenset()) -> JournalHead:
    """The head that a repository publishes, its signature checked from this anchor (DER) on; of legacy suites those named are believed.

    Raises:
        BadInput: There is none, or it is not signed by the repository's service of the anchor's world.
        HomeRefused: What is there is no head.
    """
    # The head first: what is published after it can only tell more of its signer.
    content = source.read(JOURNAL_HEAD, HEAD_LIMIT)
    head = read_head(content, JOURNAL_HEAD)
    signature = source.read(JOURNAL_HEAD_SIGNATURE, SIGNATURE_LIMIT)
    # At the head's own moment: an auditor may look at a repository that was put away years ago.
    check_statement(content, signature, JOURNAL_HEAD, Snapshot.read(source), anchor, head.at, legacy)
    return head


def anchor_path(repository: Path, plan: Plan) -> Path:
    """Where a home's repository has the certificate of its anchor."""
    return repository / "g" / f"{plan.anchor}.g1" / "self.cer"
