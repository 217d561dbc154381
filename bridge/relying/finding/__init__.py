"""What is found: where a verifier looks, and what it takes from there.

Points and index (what a list is for, and how it is asked), material (the questions that every place answers); then the
places: metered and fetch (a server, within a budget), snapshot (a published folder), carried (what was handed over),
directory and online (LDAP, and the URLs in certificates), several (all of them as one). Nothing here judges.
"""
