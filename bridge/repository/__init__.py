"""The repository: everything public of a world, as files that any web server can serve.

Read in this order: layout (what is where), folder (writing it), signing (who vouches for it), contents (what a world
puts there), heads (how far its journal reaches).
"""
