"""The relying party: what a verifier of signatures does with a certificate and whatever it can find about it.

Read in this order. What is asked: rejection (how a path fails), budget (how much work it may be), trust (what is
believed). What is found: points and index (what a list is for, and how it is asked), material (where a verifier looks),
metered, fetch and snapshot (a published folder, or a server), carried (what was handed over), directory and online (LDAP, and
the URLs in certificates), several (all of them as one). What is right: path (candidates), policies, signatures,
structure, constraints (names), rfc5280, validation (all of it, revocation aside). What is revoked: evidence, lists (which
may speak), deltas, status (what all say together), signers (whose lists), answers (OCSP), revocation. Then verify (the
journey), statements (what a world signs of itself); for people, policy_levels, policy_graph, noting, explaining, words,
clauses, svg and drawing; to keep, check_script, bundle_file, bundle and sealed.
``verify`` returns a VerifiedPath or raises; nothing returns a flag.
"""
