"""Certificate authorities: rules, bytes, issuing, revoking, storing.

Read in this order: errors, birth, model, names, suites, clock, chance, rules, profiles, lint, wire, keys, journal,
store, issuing, revoking. A module imports only what is named before it (tests/test_architecture.py holds the line).
"""

if not __debug__:  # python -O would leave out what keeps, say, a holder's draft from lacking an extension
    raise RuntimeError("kakehashi relies on its assertions: run it without -O and PYTHONOPTIMIZE")
