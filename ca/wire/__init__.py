"""Bytes: drafts become DER here, and nowhere else.

Read in this order: der (the writer), names, extensions, tbs (certificates), lists, pairs, cms; then the readers:
walk (bounds), facts (certificates), list_facts.
"""
