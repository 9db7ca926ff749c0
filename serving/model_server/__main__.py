"""`python -m serving.model_server`: see `--help` for the flags."""

import sys

from serving.model_server.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
