"""`python -m paddle_wwm.variants` is `paddle-wwm models`."""

import sys

from ..cli.main import main

if __name__ == "__main__":
    main(["models", *sys.argv[1:]])
