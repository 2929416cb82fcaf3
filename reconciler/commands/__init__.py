"""One module a command, each a page: open the session, ask planning or applying, hand the answer to a view.

A module's ``command`` is its parser. ``session.py`` opens what commands need and closes it again.
"""
