"""What uses the package and is not part of it: run from a checkout, not in the wheel."""
