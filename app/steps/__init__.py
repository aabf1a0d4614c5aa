"""The work in a phase: steps that people do with evidence, and what comes after the phase."""
