"""The relying party: what a verifier of signatures does with a certificate and a published folder.

Read in this order: rejection (how a path fails), fetch (a folder, or a server), snapshot (what is
published), path (candidates), signatures, structure,
revocation, verify (the journey), statements (what a world signs of itself). ``verify`` returns a VerifiedPath or raises; nothing returns a flag.
"""
