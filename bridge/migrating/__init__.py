"""A migration out of one set of signature suites into another: planned, checked, and simulated day by day.

Read in this order: plan (its values), reading (its file), checking (what is wrong with it before any day passes),
population (holders and windows), trusting (what a relying party can reach on a day), simulation (every day, every
relying party, every generation), reporting, plotting.
"""
