"""Deployments: create, proceed, arm, hold, resume, reschedule, complete."""
