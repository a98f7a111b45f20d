"""Studies: strategies, folds and seeds, planned, trained in several processes, and evaluated.

file -> identity, members, plan -> store, worker, scheduler -> masks, judge -> run
earlier: members of an earlier version; estimate, show: for the terminal
"""
