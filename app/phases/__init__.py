"""The phases of the day: what is planned, what runs, what waits; the plan clock of a rehearsal."""
