"""What a worker does with the one token that it has opened: its keys, the suites, the tests of adoption.

It runs in the worker only. Standard library and ``cryptoki`` only, so that a worker starts in 50 ms.
"""
