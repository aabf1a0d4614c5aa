"""The JSON API for machines: /api/v1. Tokens only; docs/api.md describes it, a test keeps that page true."""
