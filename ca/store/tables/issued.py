"""What was issued: keys of authorities, certificates, who holds them, and those of CAs and services."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from ca.store.tables.ground import Moment, Octets, metadata

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

# Where each key stands (ca.rules.generations); one that is planned has no row among the generations yet.
key_lives = Table(
    "key_lives",
    metadata,
    Column("generation", String(48), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("suite", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    UniqueConstraint("authority", "number"),
)

# What was done with them, each step under the number of its record in the journal.
key_steps = Table(
    "key_steps",
    metadata,
    Column("authority", String(40), primary_key=True),
    Column("journal_index", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", String(48), nullable=False),
    Column("suite", String(40), nullable=False),
    Column("step", String(16), nullable=False),
    Column("back", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("evidence", Text, nullable=True),
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
Index("holdings_generation", holdings.c.generation, holdings.c.not_after)

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
