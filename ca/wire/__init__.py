"""Bytes: drafts become DER here, and nowhere else.

Read in this order: der (the writer), names, extensions, tbs (certificates), templates (those of a series), lists,
pairs, cms; then the readers: walk (bounds), facts (certificates), list_facts, cms_facts.
"""
