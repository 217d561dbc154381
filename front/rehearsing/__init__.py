"""Rehearsals of a migration: what is due is carried out on a copy of the home, published there, and verified.

Read in this order: copying (a home as it is at one moment), reports (what a rehearsal came to, and for how long it holds),
rehearsal (the tasks that are due, a day after the other).
"""
