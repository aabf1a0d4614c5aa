"""The append-only event log: one line for everything that happened, with actor and cause."""
