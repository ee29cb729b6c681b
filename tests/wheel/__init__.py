"""The installed wheel, used like a user does, in an environment without a checkout.

`make wheel-check` and `make air-gapped-check` run it in complete environments. tests/integration/test_wheel.py runs it
in one that borrows the packages of the test session.
"""
