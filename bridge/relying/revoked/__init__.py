"""What is revoked: RFC 5280 6.3 and RFC 6960, for one certificate of a path.

Evidence (what was read, kept for later), lists (which may speak for it), deltas, status (what all of them say together),
signers (whose lists they are), answers (OCSP), and revocation, which asks them in turn.
"""
