"""What users and pipelines read: the only code that makes text or JSON of what the rest returns or emits.

Pure: a model object in, text or a plain document out; nothing here reads a store, a provider or a clock that it was
not handed. ``render_*`` answers text that ends in one newline (empty when there is nothing to say); ``*_document``
answers a JSON document of CONTRACT 4, whose schema lies in ``schemas/``. Names and values come from manifests and
services, so every one goes through ``safe_text`` before it reaches a terminal. Nothing heavy is imported: an empty plan
has to print in no time.
"""
