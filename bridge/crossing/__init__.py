"""A nation from one file, and the certificates between its authorities and with those of others.

Read in this order: edition (the file, read strictly); templates, policies, practices, offices, mesh and plan (what it
comes to under one marking); agreement (with another CA, a file too); crosscert (one authority's word for another's key),
world (all of the nation, made). Then the life of pairs: asking (our request), handed_in, deviations, examining and desk
(what another CA hands in, and two officers), pairs (how they stand), renewal, impact, withdrawal, calendar, rekeying
(between given keys, when an authority gets a new one), retiring (what ends with an old one, and who would be cut off).
"""
