"""No certificate and no list is signed that was not linted: drafts are looked at before they are bytes.

One rule, one clause, one counter-example (tests/test_lint.py). Read in this order: rules (the machinery), parts
and key_info (what rules share), candidate (what certificate rules look at); then the rules of certificates by family:
fields, profile, extensions, access, keys, policies, practice, residents; last the two doors, certificates and lists; and compiled, the
first door for a series.
"""
