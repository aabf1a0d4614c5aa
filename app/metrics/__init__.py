"""The critical metrics: collected from both sides, judged against the plan's limits, shown on the wall."""
