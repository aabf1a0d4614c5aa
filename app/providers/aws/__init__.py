"""AWS: weighted target groups behind Application Load Balancers (ports.traffic), Route 53 as what follows them
(ports.follower). docs/live.md says what a binding needs and which permissions."""
