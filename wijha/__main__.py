"""The command line as `python -m wijha`."""

import sys

from wijha.cli import main

if __name__ == "__main__":
    sys.exit(main())
