"""From a decision to the lists that say it, and what outsiders may hold against it.

Read in this order: feed (what a register tells), deciding (what ends by it, or on an officer's word), lists (drafted,
looked at by the gate, placed), assurance (receipts, a certificate's story, the outside watcher).
"""
