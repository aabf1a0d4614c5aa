"""ports.traffic for a team's own commands. docs/live.md says what they must do; docs/examples has a pair."""

from app.providers.script.balancer import Commands, ScriptBalancer

__all__ = ["Commands", "ScriptBalancer"]
