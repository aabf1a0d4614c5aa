"""Everything that happened, newest first, with who and why; people's own notes."""
