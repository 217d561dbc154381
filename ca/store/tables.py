"""The tables. Values go in and out through the modules beside this one; the schema's history is in migrations/."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FOR_EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a certificate whose end is not known: later than any."""


def microseconds(moment: datetime) -> int:
    """A moment as the databases keep it: whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as whole microseconds since 1970: exact, ordered, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002
        """To microseconds."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """To a moment in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Octets(LargeBinary):
    """Octets, handed to the driver as they are; SQLAlchemy would wrap and copy each value."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        """None: bytes go in as they are."""

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        """None: bytes come out as they are."""


metadata = MetaData()

# Every database of a world has every table. An authority's own hold its generations, certificates, revocations and
# lists; the offices, cases, holdings, events, keys of clients and leases lie in the nation's alone.

generations = Table(
    "generations",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("suite", String(40), nullable=False),
    Column("key", String(60), nullable=False),
    Column("public_key", Octets, nullable=False),
    Column("serial", Octets(20), nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    UniqueConstraint("authority", "number"),
)

# The hot row: small, since a nation has hundreds of millions. The bytes lie apart in certificate_bytes:
# the TBSCertificate until the state is "issued", then the Certificate.
certificates = Table(
    "certificates",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("scope", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("intended_at", Moment, nullable=False),
    Column("subject_key", Octets(32), nullable=False),
    Column("application", String(24), nullable=True),
    sqlite_with_rowid=False,
)
_OPEN = certificates.c.state == "intended"
Index("certificates_open", certificates.c.state, sqlite_where=_OPEN, postgresql_where=_OPEN)

certificate_bytes = Table(
    "certificate_bytes",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("encoded", Octets, nullable=False),
)

# Which holder has which certificate on which key: the nation's own register, whatever database an authority has.
holdings = Table(
    "holdings",
    metadata,
    Column("subject_key", Octets(32), primary_key=True),
    Column("generation", String(48), nullable=False),
    Column("serial", Octets(20), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("scope", String(40), nullable=False),
    Column("holder", Octets(32), nullable=True),
    Column("decided_at", Moment, nullable=True),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("holdings_holder", holdings.c.holder)

# Renewed ones stand beside those that they renew. The number tells which came later where two begin at one second.
cross_certificates = Table(
    "cross_certificates",
    metadata,
    Column("issuer", String(48), primary_key=True),
    Column("subject", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("number", Integer, nullable=False),
)

service_certificates = Table(
    "service_certificates",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("key", String(80), nullable=False),
)

# The primary key is the order in which a partition's list is written.
revocations = Table(
    "revocations",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("revoked_at", Moment, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("invalid_since", Moment, nullable=True),
    Column("not_after", Moment, nullable=False),
    Column("entry", Octets, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("cause", String(80), nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("revocations_sequence", revocations.c.sequence)

# A row a counter, updated in the transaction that it counts: its lock makes commit order number order.
counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

list_places = Table(
    "list_places",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("point", Text, nullable=True),
    Column("holds", String(4), nullable=False),
    UniqueConstraint("generation", "point", "holds"),
)

lists = Table(
    "lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("this_update", Moment, nullable=False),
    Column("next_update", Moment, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("tbs_digest", Octets(32), nullable=False),
    Column("digest", Octets(32), nullable=True),
    ForeignKeyConstraint(["generation", "scope"], ["list_places.generation", "list_places.scope"]),
)

# A delta list shares its number with the complete list of its moment, and is to be added to the one numbered ``base``.
delta_lists = Table(
    "delta_lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("base", BigInteger, nullable=False),
    Column("this_update", Moment, nullable=False),
    Column("next_update", Moment, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("tbs_digest", Octets(32), nullable=False),
    Column("digest", Octets(32), nullable=True),
    ForeignKeyConstraint(["generation", "scope"], ["list_places.generation", "list_places.scope"]),
)

# A list that the publish gate keeps back. Two officers may release what is no more than unusual.
blocked_lists = Table(
    "blocked_lists",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("scope", String(40), primary_key=True),
    Column("reason", String(40), nullable=False),
    Column("problem", Text, nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("facts", Text, nullable=False),
    Column("first_officer", String(64), nullable=True),
    Column("second_officer", String(64), nullable=True),
)

offices = Table(
    "offices",
    metadata,
    Column("office", String(24), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("name", Text, nullable=False),
    Column("authorities", Text, nullable=False),
)

officers = Table(
    "officers",
    metadata,
    Column("officer", String(64), primary_key=True),
    Column("office", String(24), nullable=False),
    Column("roles", Text, nullable=False),
    ForeignKeyConstraint(["office"], ["offices.office"]),
)

applications = Table(
    "applications",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("office", String(24), nullable=False),
    Column("state", String(10), nullable=False),
    Column("holder", Octets(32), nullable=True),
    Column("particulars", Text, nullable=False),
    ForeignKeyConstraint(["office"], ["offices.office"]),
)
Index("applications_office", applications.c.office, applications.c.state)

application_steps = Table(
    "application_steps",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("step", String(10), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(["application"], ["applications.application"]),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

requests = Table(
    "requests",
    metadata,
    Column("application", String(24), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("public_key", Octets, nullable=False),
    Column("generation", String(48), nullable=True),
    Column("serial", Octets(20), nullable=True),
    ForeignKeyConstraint(["application"], ["applications.application"]),
)
Index("requests_public_key", requests.c.public_key)

# The national register: every event that was acknowledged, and what came of it.
register_events = Table(
    "register_events",
    metadata,
    Column("event", String(80), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("holder", Octets(32), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("notified_at", Moment, nullable=False),
    Column("effective_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("withdraws", String(80), nullable=True),
    Column("new_holder", Octets(32), nullable=True),
)
Index("register_events_holder", register_events.c.holder)
_WAITING = register_events.c.state == "waiting"
Index(
    "register_events_waiting",
    register_events.c.effective_at,
    sqlite_where=_WAITING,
    postgresql_where=_WAITING,
)

# A resident whose code changed is one resident under both: keyed codes, linked by the events that told so.
resident_codes = Table(
    "resident_codes",
    metadata,
    Column("old", Octets(32), primary_key=True),
    Column("new", Octets(32), primary_key=True),
    Column("event", String(80), nullable=False),
    sqlite_with_rowid=False,
)
Index("resident_codes_new", resident_codes.c.new)

# What the rules could not decide; an officer does.
quarantine = Table(
    "quarantine",
    metadata,
    Column("case", Integer, primary_key=True, autoincrement=False),
    Column("event", String(80), nullable=False),
    Column("problem", Text, nullable=False),
    Column("facts", Text, nullable=True),
    Column("opened_at", Moment, nullable=False),
    Column("journal_index", BigInteger, nullable=False),
    Column("decision", String(20), nullable=True),
    Column("officer", String(64), nullable=True),
    Column("resolved_at", Moment, nullable=True),
)
Index("quarantine_event", quarantine.c.event)

# An order that ends many certificates at once, step by step; journal_index is of the last record that changed it. A copy
# that gets it back from the journal may know nothing of its officers.
orders = Table(
    "orders",
    metadata,
    Column("order", Integer, primary_key=True, autoincrement=False),
    Column("selection", Text, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("second_officer", String(64), nullable=True),
    Column("made_at", Moment, nullable=False),
    Column("approved_at", Moment, nullable=True),
    Column("found", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("place", Text, nullable=True),
    Column("journal_index", BigInteger, nullable=False),
)

order_steps = Table(
    "order_steps",
    metadata,
    Column("order", Integer, primary_key=True),
    Column("journal_index", BigInteger, primary_key=True),
    Column("step", String(10), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    ForeignKeyConstraint(["order"], ["orders.order"]),
)

# The certificates of an order that names them one by one.
order_certificates = Table(
    "order_certificates",
    metadata,
    Column("order", Integer, primary_key=True),
    Column("generation", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    sqlite_with_rowid=False,
)

# Keys of officers and machines, as SHA-256: a key is 256 random bits, so its hash cannot be searched.
client_keys = Table(
    "client_keys",
    metadata,
    Column("digest", Octets(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("officer", String(64), nullable=True),
    Column("purpose", String(16), nullable=False),
    Column("feed", String(40), nullable=True),
    Column("made_at", Moment, nullable=False),
    Column("revoked_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

# A batch is an order of many certificates at once, and its rows are answered one by one.
batches = Table(
    "batches",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("approver", String(64), nullable=False),
    Column("operator", String(64), nullable=False),
    Column("approved_at", Moment, nullable=False),
    ForeignKeyConstraint(["approver"], ["officers.officer"]),
    ForeignKeyConstraint(["operator"], ["officers.officer"]),
)

# An answer has a certificate, or the problem for which there is none.
batch_answers = Table(
    "batch_answers",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("generation", String(48), nullable=True),
    Column("serial", Octets(20), nullable=True),
    Column("problem", Text, nullable=True),
    sqlite_with_rowid=False,
)

# What a database says of itself: whose it is.
marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# One row a job: whoever holds it works, the others wait until it has run out.
leases = Table(
    "leases",
    metadata,
    Column("job", String(40), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", Moment, nullable=False),
)

# When the primary was last seen alive, in the world's time and the machines': a copy of the database says by it how
# fresh it is.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("moment", Moment, nullable=False),
    Column("beaten", Moment, nullable=False),
)

# Who may query revocation information where an edition does not leave that open: one row a purpose.
verifiers = Table(
    "verifiers",
    metadata,
    Column("verifier", String(40), primary_key=True),
    Column("organisation", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("certificate", Octets, nullable=False),
    Column("fingerprint", Octets(32), nullable=False, unique=True),
    Column("valid_from", Moment, nullable=False),
    Column("valid_until", Moment, nullable=False),
    Column("officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    ForeignKeyConstraint(["officer"], ["officers.officer"]),
)

# How often each asked, by day (Japan's) and by what came of it. Each server counts for itself and tells its sum.
verifier_counts = Table(
    "verifier_counts",
    metadata,
    Column("verifier", String(40), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("outcome", String(20), primary_key=True),
    Column("server", String(80), primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Certificate authorities that are not of this home: a row a key, and what was agreed with them.
peers = Table(
    "peers",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Octets, nullable=False),
    Column("public_key", Octets, nullable=False),
    Column("self_signed", Octets, nullable=True),
    Column("known_at", Moment, nullable=False),
    UniqueConstraint("authority", "number"),
)

agreements = Table(
    "agreements",
    metadata,
    Column("agreement", String(40), primary_key=True),
    Column("ours", String(40), nullable=False),
    Column("peer", String(40), nullable=False),
    Column("begins", Moment, nullable=False),
    Column("ends", Moment, nullable=False),
    Column("text", Text, nullable=False),
    Column("officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=True),
    Column("journal_index", BigInteger, nullable=False),
)

# What a peer has handed in, a request or a certificate: one officer examines it, another accepts it. The certificate is
# the one that was issued on a request; journal_index is of the acceptance.
examinations = Table(
    "examinations",
    metadata,
    Column("examination", Integer, primary_key=True, autoincrement=False),
    Column("agreement", String(40), nullable=False),
    Column("what", String(12), nullable=False),
    Column("ours", String(48), nullable=False),
    Column("peer", String(48), nullable=False),
    Column("digest", Octets(32), nullable=False),
    Column("officer", String(64), nullable=False),
    Column("examined_at", Moment, nullable=False),
    Column("second_officer", String(64), nullable=True),
    Column("accepted_at", Moment, nullable=True),
    Column("certificate", String(96), nullable=True),
    Column("journal_index", BigInteger, nullable=True),
)
Index("examinations_digest", examinations.c.digest)

# The other halves of pairs: what peers have issued to generations of ours.
received_certificates = Table(
    "received_certificates",
    metadata,
    Column("issuer", String(48), primary_key=True),
    Column("subject", String(48), primary_key=True),
    Column("serial", Octets(20), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("examination", Integer, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("encoded", Octets, nullable=False),
    Column("ended_at", Moment, nullable=True),
)

# An order of two officers to renew cross-certificates, and which ones.
renewals = Table(
    "renewals",
    metadata,
    Column("plan", String(40), primary_key=True),
    Column("officer", String(64), nullable=False),
    Column("second_officer", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
)

renewal_halves = Table(
    "renewal_halves",
    metadata,
    Column("plan", String(40), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("certificate", String(96), nullable=False),
    Column("subject", String(48), nullable=False),
    Column("replaces", String(96), nullable=False),
    ForeignKeyConstraint(["plan"], ["renewals.plan"]),
)
