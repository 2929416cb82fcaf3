"""References become an order. Built with networkx, and only when something is to be done: its import is not free."""
