"""What the key service does, a module a subject. Each function opens the door, decides, acts; nothing passes beside."""
