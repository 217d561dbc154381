"""The same application sent twice: by a double click, or by a machine that heard no answer.

No table of requests is kept for it. A key pair is good for one application alone, so the keys say which case it is; and it
is the same filing if the same officer has filed it for the same applicant with the same kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from ca.model import Applicant, CertificateKind, OfficerId
from ca.store import applications
from ca.store.applications import Application


def filed_before(
    connection: Connection,
    officer: OfficerId,
    applicant: Applicant,
    holder: bytes | None,
    keys: Mapping[CertificateKind, bytes],
) -> Application | None:
    """The case that this very filing has made, in whatever state it is now; None if it made none, or was rejected.

    Args:
        connection: A transaction that reads.
        officer: Who files.
        applicant: For whom.
        holder: The resident's keyed code; None for a post.
        keys: The encoded SubjectPublicKeyInfo that is asked for, by kind.
    """
    found = applications.with_public_keys(connection, list(keys.values()))
    if len(found) != len(set(keys.values())) or len(set(found.values())) != 1:
        return None
    there = applications.find(connection, next(iter(found.values())))
    same = (
        there.case.history[0].officer == officer
        and there.applicant == applicant
        and there.holder == holder
        and {asked.kind: asked.public_key for asked in there.requests} == dict(keys)
    )
    return there if same else None
