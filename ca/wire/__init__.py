"""Bytes: drafts become DER here, and nowhere else.

Read in this order: der (the writer), names, extensions, tbs (certificates), lists, pairs, facts (the reader).
"""
