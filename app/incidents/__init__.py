"""Incidents with their checks and their decision within two minutes, and what customers report to support."""
