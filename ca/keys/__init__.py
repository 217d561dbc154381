"""Keys: where they lie, and the one door through which anything is signed.

Read in this order: signer (signing, key identifiers, checking a signature), files (writing whole files, reading
bounded ones), sealing (encryption under a passphrase), pool (public test keys), vault (the folder of a home that
keeps its keys), session, token_objects and token (the keys of a home in a PKCS#11 token), card_token (a card's).
"""
