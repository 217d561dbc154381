"""The tables. Values go in and out through the modules beside this room; the schema's history is in migrations/.

Every database of a world has every table. An authority's own hold its generations, certificates, revocations and
lists; the offices, cases, holdings, events, keys of clients and leases, and what was agreed with other CAs, lie in the
nation's alone. Read ground first (how values are kept); the others stand by themselves.
"""

from ca.store.tables.crossing import (
    agreements,
    examinations,
    peers,
    received_certificates,
    renewal_halves,
    renewals,
)
from ca.store.tables.custody import evidence, media, medium_steps, self_checks
from ca.store.tables.events import (
    feed_runs,
    order_certificates,
    order_steps,
    orders,
    quarantine,
    register_events,
    resident_codes,
)
from ca.store.tables.ground import FOR_EVER, Moment, Octets, metadata, microseconds
from ca.store.tables.issued import (
    certificate_bytes,
    certificates,
    cross_certificates,
    generations,
    holdings,
    key_lives,
    key_steps,
    service_certificates,
)
from ca.store.tables.registration import (
    application_steps,
    applications,
    batch_answers,
    batches,
    client_keys,
    officers,
    offices,
    requests,
)
from ca.store.tables.revoked import blocked_lists, counters, delta_lists, list_places, lists, revocations
from ca.store.tables.serving import heartbeats, leases, marks, verifier_counts, verifiers
from ca.store.tables.sign_in import ceremonies, deeds, enrolment_codes, passkeys, sessions

__all__ = [
    "FOR_EVER",
    "Moment",
    "Octets",
    "agreements",
    "application_steps",
    "applications",
    "batch_answers",
    "batches",
    "blocked_lists",
    "ceremonies",
    "certificate_bytes",
    "certificates",
    "client_keys",
    "counters",
    "cross_certificates",
    "deeds",
    "delta_lists",
    "enrolment_codes",
    "evidence",
    "examinations",
    "feed_runs",
    "generations",
    "heartbeats",
    "holdings",
    "key_lives",
    "key_steps",
    "leases",
    "list_places",
    "lists",
    "marks",
    "media",
    "medium_steps",
    "metadata",
    "microseconds",
    "officers",
    "offices",
    "order_certificates",
    "order_steps",
    "orders",
    "passkeys",
    "peers",
    "quarantine",
    "received_certificates",
    "register_events",
    "renewal_halves",
    "renewals",
    "requests",
    "resident_codes",
    "revocations",
    "self_checks",
    "service_certificates",
    "sessions",
    "verifier_counts",
    "verifiers",
]
