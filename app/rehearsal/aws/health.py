"""DescribeTargetHealth from the targets themselves: moto calls everything healthy, AWS asks, and asks only the groups
that some listener uses."""

import http.client

from app.rehearsal.aws import clouds
from app.rehearsal.aws.answers import Answer, error, listed, result

PATH = "/health"
WITHIN = 1.0


def health_of(group: str) -> Answer:
    try:
        targets = clouds.targets_of(group)
    except KeyError:
        return error("TargetGroupNotFound", f"Target group '{group}' not found", 400)
    is_attached = group in clouds.attached_groups()
    lines = []
    for host, port in targets:
        state, reason = _asked(host, port) if is_attached else ("unused", "Target.NotInUse")
        why = f"<Reason>{reason}</Reason>" if reason else ""
        lines.append(
            f"<Target><Id>{host}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}</HealthCheckPort>"
            f"<TargetHealth><State>{state}</State>{why}</TargetHealth>"
        )
    return result("DescribeTargetHealth", listed("TargetHealthDescriptions", lines))


def _asked(host: str, port: int) -> tuple[str, str]:
    connection = http.client.HTTPConnection(host, port, timeout=WITHIN)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except TimeoutError:
        return "unhealthy", "Target.Timeout"
    except (OSError, http.client.HTTPException):
        return "unhealthy", "Target.FailedHealthChecks"
    finally:
        connection.close()
    return ("healthy", "") if status == 200 else ("unhealthy", "Target.ResponseCodeMismatch")
