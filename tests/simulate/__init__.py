"""Simulation of whole courses of the real orchestrator: docs/simulation.md, `make simulate`."""
