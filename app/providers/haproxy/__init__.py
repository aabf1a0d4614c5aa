"""ports.traffic for HAProxy (2.6 and newer), over its runtime API. docs/live.md says how to bind one."""

from app.providers.haproxy.balancer import HaproxyBalancer
from app.providers.haproxy.farm import Farm, Instance

__all__ = ["Farm", "HaproxyBalancer", "Instance"]
