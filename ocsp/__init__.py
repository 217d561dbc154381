"""The answer to "is it revoked, now?": an online status responder (RFC 6960) for each generation of an authority.

Read in this order: messages (what a request asks and what an answer says, as octets), lint (what must hold of an
answer before it is signed), freshness (up to when a database says everything), responder (from the
store's records to a signed answer), national (one for every authority), peers, signed_requests and admission
(who may ask), tally and metrics (what is counted of it), ready, caching and making
(answers that are given out again, kept by others, made before anybody asks), wsgi (all of this over HTTP), client (asking,
and judging what is answered).
"""
