"""``reconciler`` and ``python -m reconciler``. Nothing is imported before somebody listens for Ctrl-C."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    try:
        from reconciler.cli import main as run
        from reconciler.host.streams import leave

        code = run()
    except KeyboardInterrupt:  # while the command's modules were being read
        sys.stderr.write("\nStopped before anything was begun.\n")
        sys.exit(1)
    # Taking everything apart once more would be a seventh of a plan; and threads of an engine may still be letting go
    # of files while Python would end.
    leave(code)


if __name__ == "__main__":
    main()
