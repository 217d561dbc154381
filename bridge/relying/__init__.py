"""The relying party: what a verifier of signatures does with a certificate and whatever it can find about it.

Read in this order. What is asked: rejection (how a path fails), budget (how much work it may be), trust (what is
believed), signatures. What is found: the room finding. What is right: policies, path (candidates), structure, constraints
(names), rfc5280, validation (all of it, revocation aside). What is revoked: the room revoked. Then verify (the journey),
statements (what a world signs of itself) and sealed (a copy that carries its own proof). What people are told: the room
telling. ``verify`` returns a VerifiedPath or raises; nothing returns a flag.
"""
