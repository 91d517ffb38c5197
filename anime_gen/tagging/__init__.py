"""Labels that nobody wrote: taggers, the completion of labels, and labels that are most likely wrong.

Read in this order: network.py (the tagger), loss.py, calibration.py (what a score is worth), train.py, examine.py (what
it gets right), wd.py (published taggers in its place), patches.py and completion.py (three classifiers that must
agree), doubts.py, writing.py (into a manifest).

The tagger that labels is never the judge that scores: neither package imports the other, and each refuses the other's
weights.
"""
