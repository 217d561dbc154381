"""From a decision to the lists that say it.

Read in this order: orders (a certificate ends), publication (lists are made, signed and handed to a Publisher).
"""
