"""The repository: everything public of a world, as files that any web server can serve.

Read in this order: layout (what is where), folder (writing it), signing (who vouches for it), public (what there is),
failures, contents (what a world puts there, and in which order), heads (how far its journal reaches); then what is made of it:
entries, ldif and directory (LDAP), sealed (a signed copy).
"""
