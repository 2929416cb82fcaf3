"""``reconciler`` and ``python -m reconciler``. Nothing is imported before somebody listens for Ctrl-C."""

import sys


def main() -> int:
    """Run the command line; its exit code."""
    try:
        from reconciler.cli import main as run

        return run()
    except KeyboardInterrupt:  # while the command's modules were being read
        sys.stderr.write("\nStopped before anything was begun.\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
