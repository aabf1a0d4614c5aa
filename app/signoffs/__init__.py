"""The go/no-go board: votes, what they are bound to, the gate."""
