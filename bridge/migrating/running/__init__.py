"""A plan carried out in a home, a task at a time: each on its day, rehearsed before, and with evidence in the journal.

Read in this order: tasks (what is to be done, in its order), standing (what the store says is done), evidence (by what
it was ordered, as the journal says it), matching (whether the plan is about this home), reissue (whom a wave calls in,
and the hand-over), doing (carrying one task out), rehearsal (the same on a copy, held against the simulation), progress
(how far all of it is).
"""
