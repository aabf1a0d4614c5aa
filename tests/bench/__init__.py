"""`make bench`: figures beside their floors, measured in the same run. Never assertions: a table and a JSON file."""
