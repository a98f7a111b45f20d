"""Objectivity: does the result depend on who drew the masks?"""
