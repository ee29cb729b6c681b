"""The command line: `paddle-wwm COMMAND …`, the same as `python -m paddle_wwm COMMAND …`.

One file per command. A command is a module with these names:

    SUMMARY                        one line for `paddle-wwm --help`
    INTERMIXED                     True if values may stand between flags (default: False)
    add_arguments(parser)          description, examples and flags
    check(arguments, *, parser)    check rules about several flags and call `parser.error` (optional)
    run(arguments)                 run the command; return the exit status, None for 0

The top of a command module imports only the standard library and `paddle_wwm.errors`, so that help is fast.
`main.GROUPS` lists the commands. The library never imports this package.
"""
