"""What is kept: SQLAlchemy Core over SQLite, or PostgreSQL by URL.

Read in this order: tables, engine (connections and transactions), then a module a noun: authorities,
certificates, applications, lists. Functions take the connection of the caller's transaction and give values.

Beside the databases lie the journal and the archive: entries (what a record says), records, durable (octets that are on
the disk), segments (one folder of the chain), copies (it and its mirror), archive, inspection, journal.
"""
