"""Credentials by reference: site.yaml names a file, and the file is read at each use, so that a new token counts at
once."""

from pathlib import Path

from app.ports.traffic import ProviderError


def bearer(path: Path) -> dict[str, str]:
    """The header that shows the token. Raises ProviderError when the file cannot be read."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as problem:
        raise ProviderError(f"The token in {path} cannot be read: {problem}", permanent=True) from problem
    return {"Authorization": f"Bearer {token}"}
