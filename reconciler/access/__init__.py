"""Who may use a key: caller, key policy, conditions, grants, encryption context. All pure functions over data."""
