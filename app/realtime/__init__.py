"""From NOTIFY to the browsers: one listener a web process, one bounded queue a stream."""
