"""The demonstration: what the product does, told step by step, each verdict beside OpenSSL's.

Run it by ``make demo`` or ``python -m front.demo``. Read in this order: openssl (the independent judge), people
(invented residents), nation (the demonstration itself).
"""
