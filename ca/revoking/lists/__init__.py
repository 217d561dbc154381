"""Lists, from what they are to say to where they become public.

Read in this order: publisher (where), drafting (what a list says), last_list (what it follows), gate_entries and gate
(whether it may replace that one), placing (its way there), adoption (what a death kept from being written
down), publication (which lists, and when), releasing (a jump that two officers let through).
"""
