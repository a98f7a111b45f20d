"""Reliability: would another seed, or another training, change the result?"""
