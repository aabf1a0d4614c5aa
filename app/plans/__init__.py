"""The plan of a deployment as people read it: a runbook, on the screen and on paper."""
