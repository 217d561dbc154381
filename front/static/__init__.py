"""The nation as a folder that any web server can serve: an interoperability lab that needs none of our code.

Read in this order: answers (OCSP made before anybody asks), texts (nginx's configuration, what a reader is told), making
(the folder).
"""
