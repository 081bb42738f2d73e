"""Experiments of what goes wrong: `python -m tests.faults NAME`; short forms run with the tests."""
