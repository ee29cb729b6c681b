"""The command line: `paddle-wwm COMMAND …`, the same as `python -m paddle_wwm COMMAND …`.

One file per command. A command is a module with these names:

    SUMMARY                        one line for `paddle-wwm --help`
    INTERMIXED                     True where values may stand between flags (default: False)
    add_arguments(parser)          description, examples and flags
    check(arguments, *, parser)    rules that join several flags; a broken one is `parser.error` (optional)
    run(arguments)                 do it; returns the exit status, None for 0

At its top a command imports only the standard library and `paddle_wwm.errors`, so that help is fast. `main.GROUPS`
lists the commands. The library never imports this room.
"""
