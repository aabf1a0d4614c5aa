"""The page with which a toy release says who it is."""

from html import escape

from app.domain.sides import Release, Side

GROUND = {Side.BLUE: "#1d4ed8", Side.GREEN: "#15803d"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ALAWAEL {version}</title>
<style>
  body {{ margin: 0; min-height: 100vh; display: grid; place-content: center; text-align: center;
         font: 18px/1.5 system-ui, sans-serif; color: #fff; background: {ground} }}
  h1 {{ font-size: 64px; line-height: 1.1; margin: 0 }}
  code {{ font-size: 13px; overflow-wrap: anywhere }}
</style>
<main>
  <p>This answer came from {side}</p>
  <h1>ALAWAEL {version}</h1>
  <p><code>{digest}</code></p>
</main>
</html>
"""


def page(side: Side, release: Release) -> bytes:
    """Each request may be answered by the other release: reload, and see where traffic is."""
    text = PAGE.format(
        side=side.value, version=escape(release.version), digest=escape(release.digest), ground=GROUND[side]
    )
    return text.encode()
