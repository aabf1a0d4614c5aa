"""Sign-in, roles, step-up, tokens. policy.py is the whole capability × action table."""
