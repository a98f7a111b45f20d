"""The study: strategies, folds and seeds, planned, trained side by side, and judged.

file -> identity, members, plan -> store, worker, scheduler -> masks, judge -> run
earlier: members of an earlier version; estimate, show: for the terminal
"""
