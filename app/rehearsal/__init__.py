"""The rehearsal range: toy releases, a real balancer and database, customers, faults; and what starts them all."""
