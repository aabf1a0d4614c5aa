"""The one worst alarm, in each of its kinds."""

from datetime import timedelta

from app.overview.gallery.moment import NOW
from app.web.mission import BannerView, LinkView, LivingText

BANNERS = {
    "critical with a countdown": BannerView(
        "crit",
        "trigger:error_rate:12",
        "ROLLBACK IN",
        "",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=46),
        NOW + timedelta(seconds=74),
        living=LivingText(
            "Error rate on GREEN",
            ("readings.error_rate.GREEN", "2.6", "%"),
            ", above 2 % for",
            NOW - timedelta(seconds=46),
            "of 120 s.",
        ),
        quiet=LinkView("Hold it…", "#hold"),
        counts_to=NOW + timedelta(seconds=74),
    ),
    "somebody asks to hold it": BannerView(
        "crit",
        "trigger:error_rate:13",
        "ROLLBACK IN",
        "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s. DevOps lead asks to hold it: a second position must "
        "confirm.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=46),
        NOW + timedelta(seconds=74),
        quiet=LinkView("Confirm the hold…", "#hold"),
        counts_to=NOW + timedelta(seconds=74),
    ),
    "its clock stands": BannerView(
        "crit",
        "trigger:error_rate:14",
        "ROLLBACK COUNTDOWN STANDS",
        "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s. The clock stands: no reading to rely on for 12 s.",
        LinkView("Roll back now", "#rollback-cover", "back"),
    ),
    "held": BannerView(
        "warn",
        "trigger:error_rate:15",
        "AUTOMATIC ROLLBACK HELD, armed again in",
        "Held until 14:14 by DevOps lead and Project manager: error rate on GREEN 2.6 %, above 2 % for 120 s. Then it "
        "rolls back at once if the breach still stands.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=60),
        NOW + timedelta(seconds=240),
        counts_to=NOW + timedelta(seconds=240),
    ),
    "recommended": BannerView(
        "crit",
        "trigger:error_rate:16",
        "ROLLBACK RECOMMENDED",
        "Error rate on GREEN 2.6 %, above 2 % for 120 s. BLUE is unhealthy: it only recommends (3 of 18 targets). "
        "Nothing happens by itself: somebody must decide.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        more=1,
    ),
    "critical": BannerView(
        "crit",
        "rollback:18:escalated",
        "Escalated: the rollback is not confirmed after 30 s",
        "Error rate on BLUE is 0.42 %, the payment check does not answer.",
        LinkView("Call VP Operations", "tel:+15550100", "phone"),
        more=2,
    ),
    "a decision point is open": BannerView(
        "warn",
        "decision-15",
        "Decision at minute 15: DevOps lead has",
        "“Are we stable?” Without an answer the project manager is asked.",
        LinkView("See the decision", "#decisions"),
        NOW - timedelta(seconds=18),
        NOW + timedelta(seconds=42),
        counts_to=NOW + timedelta(seconds=42),
    ),
    "an incident": BannerView(
        "crit",
        "incident-1",
        "INCIDENT: DevOps lead decides within",
        "Response time spiked to 800 ms (raised by Support).",
        LinkView("See who checks what", "#incidents"),
        NOW - timedelta(seconds=24),
        NOW + timedelta(seconds=96),
        counts_to=NOW + timedelta(seconds=96),
    ),
    "warning": BannerView("warn", "memory:green", "Memory on GREEN is 81 %", "Warning, above 80 % for 60 s."),
}
