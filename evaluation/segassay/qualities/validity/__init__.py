"""Validity: does the result find what is there, and lead to the right conclusion of the experiment?"""
