"""The answer to "is it revoked, now?": an online status responder (RFC 6960) for each generation of an authority.

Read in this order: messages (what a request asks and what an answer says, as octets), lint (what must hold of an
answer before it is signed), responder (from the store's records to a signed answer), wsgi (the same over HTTP), client
(asking, and judging what is answered).
"""
