"""Certificate and list profiles as data.

Read in this order: extensions (the values), drafting (what a profile is and how it fills a draft), authorities,
residents, government, local, services (a family of certificates each), lists, practice (what one authority issues).
"""
