"""`python -m paddle_wwm.tasks` is `paddle-wwm tasks`."""

import sys

from ..cli.main import main

if __name__ == "__main__":
    main(["tasks", *sys.argv[1:]])
