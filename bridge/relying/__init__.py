"""The relying party: what a verifier of signatures does with a certificate and a published folder.

Read in this order: rejection (how a path fails), fetch (a folder, or a server), points and index (what a list is for,
and how it is asked), snapshot (what is published), path (candidates), signatures, structure, lists (which may speak),
deltas, status (what all say together), revocation, verify (the journey), statements (what a world signs of itself).
``verify`` returns a VerifiedPath or raises; nothing returns a flag.
"""
