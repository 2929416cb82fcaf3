"""Where a project's things are: manifests, state, home, environment (CONTRACT 2). Reads settings; opens no store."""
