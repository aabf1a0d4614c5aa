"""The simulated AWS of the range: moto behind a front of ours that is as strict as AWS, fails on demand, and lets the
range's real balancer follow the simulated listener. docs/range.md says what it can and where it is kinder than AWS."""
