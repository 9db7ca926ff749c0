"""`python -m serving.model_server`: see `--help` for the flags."""

import sys

from serving.model_server.process_end import end_process
from serving.model_server.server import main

if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
