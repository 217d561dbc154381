"""Certificate and list profiles as data.

Read in this order: extensions (the values), drafting (what a profile is and how it fills a draft), authorities,
residents, government, local, services (a family of certificates each), items (what may stand in a certificate as a name),
lists, practice (what one authority issues).
"""
