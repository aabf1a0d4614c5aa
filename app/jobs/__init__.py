"""The job queue: procrastinate on the same PostgreSQL. A job wakes; the rows are the truth."""
