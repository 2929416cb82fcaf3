"""Statements that change tables: what they say, which rows they mean, and the one commit that makes them so.

What a statement is stands in ``kinds`` and is found by ``recognition``. Each of ``inserting``, ``copying_in``,
``deleting``, ``updating``, ``tables`` works out an ``Edit``, changing nothing; ``commit`` makes it so, whole or not at
all, unless what it was worked out from is no longer true. ``executing`` tries again then. ``compaction`` joins what
small statements leave.
"""
