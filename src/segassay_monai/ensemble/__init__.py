"""Ensembles: the network, the members, what they predict together, and how they are registered."""
