"""Measurements that back sentences of the documentation: whoever reads one can run it."""
