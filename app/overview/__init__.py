"""All deployments, the home page of each position, and the mission bar that stands on every page."""
