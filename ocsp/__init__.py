"""The answer to "is it revoked, now?".

This package holds the online status responder. Responder keys and certificates are made with each world
(``bridge.crossing.world``); the protocol itself is on the road map in README.md.
"""
