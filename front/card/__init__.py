"""The software card: a holder's two key pairs behind PINs, and what a holder's client does with them.

A folder is a card. It plays what a resident's card is (JPKI-AP): two applications, signature and user authentication,
each with a key pair made in the card, a certificate, and a PIN that locks; the host hands in digests to be signed.

Read in this order: pins (their rules, and tries that are counted before they are made), tokens, kinds, files (what lies
in the folder), key (an unlocked one), published (issuers and chains), card (making one, unlocking it, certificates),
statements (what a card states to machines), signing and pdf (documents), state (how its certificates stand), once,
challenge (logging in), requests (asking for revocation). ``challenge`` and ``requests`` have the other side too, which
checks what a card has stated and needs no card.

What a software card cannot protect against: whoever can read the folder can copy it, and try PINs on the copy as often
as a computer can (a PIN of four digits falls within the hour); whoever can write to it can put an older count of tries
back; whoever controls the computer sees the PIN typed, and may have signed what they like. The keys lie in SoftHSM's
files under the PIN, not in a chip. What holds: no key leaves as a file, a count cannot be lowered by killing the process
or by deleting its file (the secret goes with it without which no PIN opens the token), and no PIN is written anywhere.
"""
