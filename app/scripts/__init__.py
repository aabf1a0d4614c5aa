"""The scripts of a phase's steps: run by a worker, their output live, their signals judged."""
