"""One child process for each open partition: a module that hangs, crashes or wedges costs a child, not the reconciler.

``__main__`` is what runs in it; ``process`` starts, asks and kills it; ``answers`` turns what it says into errors.
"""
