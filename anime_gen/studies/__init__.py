"""Experiment files: the runs that one stands for (plan.py), what is done of them (ledger.py), how one is trained
(launch.py). `anime-gen study` is their command line.
"""
