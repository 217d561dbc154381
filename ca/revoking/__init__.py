"""From a decision to the lists that say it.

Read in this order: feed (a register's file, believed whole or not at all), events (known or new, decided, written
into the journal, carried out), orders (a certificate ends on an officer's word), publication (lists are made, signed
and handed to a Publisher).
"""
