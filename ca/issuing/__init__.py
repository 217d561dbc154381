"""From an application to a certificate.

Read in this order: intake (what a certification request must be), issuer (an authority's key, opened when first
needed), intents (what may become of one), cycle (prepare, lint, intend, sign, complete), receiving (what the
reception wrote down), authority (the use cases), renewal (responders' certificates follow each other), step_making,
step_undoing and succession (an authority's next key).
"""
