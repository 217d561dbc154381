"""A register's change feed, believed whole or not at all.

Read in this order: events (what any form comes to), in_lines and in_csv (the forms), files (which form a file has).
"""
