"""The outside watcher: it knows a world by what is published, remembers what it saw, and says what is wrong.

Read in this order: memory (what was seen before), lists, deltas and published (what is there now), rounds (one look at
everything).
What is wrong is judged in ``ca.revoking.assurance.watch``.
"""
