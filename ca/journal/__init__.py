"""The journal, which is the truth, and the archive of certificates beside it: files that outlive every database.

Read in this order: part, crossing and entries (what a record says), records (how), durable (octets that are on the
disk), segments (one folder of the chain), copies (it and its mirror), archive, inspection,
journal, mentions (the records about one thing).
"""
