"""What every page shares: request context, security headers, templates, errors."""
