"""HTTP for every feature: requests, sessions, templates, errors."""
