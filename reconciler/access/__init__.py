"""Who may use a key: caller, key policy, conditions, grants, encryption context. All pure functions over data.

``parsing.parse_policy`` makes a document ready, ``decision.decide`` decides an ``AccessRequest`` and says why. What is
stored, asked and audited is the business of the key service that calls them.
"""
