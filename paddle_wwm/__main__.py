"""`python -m paddle_wwm COMMAND …` is `paddle-wwm COMMAND …`."""

from .cli.main import main

if __name__ == "__main__":
    main()
