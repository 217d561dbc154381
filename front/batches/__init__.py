"""Batches as a card factory sends them: a table of holders with their requests, all processors, a result a row.

Read in this order: source (what was handed in), rows (a row becomes a holder), pool (the processes), results.
"""
