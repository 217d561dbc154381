"""The pages of local governments' sub-offices: their cases, key media and self-checks, and the centre's side of them.

Read filing (the form of an application), cases, ending (what is abolished), media, self_checks, then room, which puts
them together.
"""
