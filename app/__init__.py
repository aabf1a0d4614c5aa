"""gonogo: the command center of a deployment day."""
