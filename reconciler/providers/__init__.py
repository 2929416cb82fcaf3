"""Everything outside, behind protocols: key services and data planes, and how plugins are found.

A protocol here asks for little and never assumes the embedded providers: an ``aws`` plugin over boto3 must be able to
implement it with the public operations (DESIGN 8). Each ships with a contract suite in ``reconciler.testing``.
"""
