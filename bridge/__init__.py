"""Trust between certificate authorities: worlds, cross-certificates, the repository, and the relying party.

Read in this order: manifest, svg, crossing, directory, repository, relying, migrating. Imports ``ca`` and nothing else of ours.
"""
