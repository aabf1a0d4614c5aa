"""Traffic: switch, rollback, readiness, probes."""
