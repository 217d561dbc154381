"""A nation from one file, and the certificates between its authorities.

Read in this order: edition (the file, read strictly); templates, policies, practices, offices, mesh and plan (what it
comes to under one marking); crosscert (one authority's word for another's key), world (all of it, made).
"""
