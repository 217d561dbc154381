"""A migration out of one set of signature suites into another: planned, checked, simulated day by day, and carried out.

Read in this order: plan (its values), reading (its file), checking (what is wrong with it before any day passes),
population (holders and windows), trusting (what a relying party can reach on a day), simulation (every day, every
relying party, every generation), reporting, plotting. Then the room running: the plan carried out in a home.
"""
