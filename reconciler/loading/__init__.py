"""Text becomes typed resources (DESIGN 1), or every problem of all files at once, each with its place.

``load`` is the door. It reads and never writes anything but its own cache. Nothing here knows what a kind does; it
knows what the kind's ``spec`` accepts, and which fields refer to what.
"""
