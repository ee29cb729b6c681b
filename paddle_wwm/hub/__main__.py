"""`python -m paddle_wwm.hub` is `paddle-wwm hub`."""

import sys

from ..cli.main import main

if __name__ == "__main__":
    main(["hub", *sys.argv[1:]])
