"""Checklist items: ticked by their owner with evidence, or looked after by machine."""
