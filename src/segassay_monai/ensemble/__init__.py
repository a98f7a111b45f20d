"""Ensembles: network, members, prediction, uncertainty, scores and registry."""
