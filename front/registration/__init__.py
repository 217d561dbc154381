"""The registration sub-offices' side of the front: the machine interface (api)."""
