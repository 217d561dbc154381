"""What is kept: SQLAlchemy Core over SQLite, or PostgreSQL by URL. What must survive it stands in the journal first.

Read in this order: tables, engine (connections and transactions), then a module a noun: authorities, peers, agreements,
certificates, applications, lists. Functions take the connection of the caller's transaction and give values.
"""
