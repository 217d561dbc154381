"""How officers sign in: with passkeys (W3C Web Authentication), and with nothing else.

An officer has no password. What signs is an authenticator that has verified its holder by finger, face or PIN; the server
keeps public keys. An authority operator gives a one-time code, with which the officer enrols a passkey; a lost one is
replaced in the same way, and whatever the officer had before ends then. The first operator's code is made on the machine
itself (``kakehashi officer code``).

What others use::

    app.before_request(visitor.load(world))     who is behind a request: front.pages.visit.visitor()
    pages.room(world)                           /sign-in, /enrol, /sign-out, /account
    enrolment.new_code(connection, officer_id, made_by=operator_id, at=...) -> str    to be shown once
    ca.store.deeds.note(connection, Deed.LOOKED_UP, who=officer, about=..., at=...)   in the record of deeds

Read terms (where officers sign in, how long things last), codes, patience (who tries too often), refusals, answers (what
an authenticator said, and the library that checks it), asked (questions, each once), entering, enrolment, visitor, then
pages.
"""
