"""Drives operations: asks the domain for the next step, carries out at most one effect, records what came of it.

Takes clock, store and ports as arguments and imports nothing of the database or the web, so that a simulator can
hand in its own.
"""
