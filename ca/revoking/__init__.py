"""From a decision to the lists that say it.

Read in this order: feed (a register's file, believed whole or not at all), events (known or new, decided, written
into the journal, carried out), by_hand (a certificate ends on an officer's word), mass (many end by one order); then
publisher (where lists become public), drafting (what a list says), gate and gate_entries (whether it may be placed),
placing (its way there), publication (which lists, and when).
"""
