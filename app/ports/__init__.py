"""What the product needs from the outside world, as protocols. Implementations live in providers/ and rehearsal/."""
