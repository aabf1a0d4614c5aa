"""The Range page: knobs of the rehearsal range, what its processes do, and another rehearsal. Range mode only."""
