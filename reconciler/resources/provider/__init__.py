"""Provider: a service that resources live at. It is read only while loading; nothing of it is observed or changed."""
