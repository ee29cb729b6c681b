"""The installed wheel: what a user does with it, in an environment that has no checkout.

`make wheel-check` and `make air-gapped-check` run it in whole environments; tests/integration/test_wheel.py in one that
borrows the packages that the tests run with.
"""
