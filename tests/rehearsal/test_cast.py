"""What the range plays for a plan: its releases, how they say who they are, and its figures."""

from app.bindings import FigureSite
from app.domain.sides import Side
from app.rehearsal.cast import VARIABLE, About, figures_of, played, target_of, told
from app.wiring import formula_of
from tests.known_plans import ALAWAEL, HARBOUR


def test_without_a_plan_nothing_is_told() -> None:
    assert played({}) is None


def test_the_ports_releases_say_who_they_are_in_a_field() -> None:
    heard = played({VARIABLE: told(HARBOUR)})
    assert heard is not None
    releases, about = heard
    assert releases[Side.GREEN].version == "2026.9"
    assert releases[Side.GREEN].digest == HARBOUR.releases.green.digest
    assert about == About(path="/about", field="artifact")
    assert target_of(HARBOUR) == "booking"


def test_alawaels_keep_their_header_and_figures() -> None:
    heard = played({VARIABLE: told(ALAWAEL)})
    assert heard is not None
    assert heard[1].header.lower() == "x-release-digest"
    assert figures_of(ALAWAEL) == {}


def test_every_metric_of_the_port_has_a_figure_that_the_site_takes() -> None:
    figures = figures_of(HARBOUR)
    assert set(figures) == {metric.key for metric in HARBOUR.metrics}
    made = {key: formula_of(FigureSite.model_validate(figure)) for key, figure in figures.items()}
    assert [type(made[key]).__name__ for key in ("booking_time", "refused", "open_lines", "memory_used")] == [
        "Quantile",
        "Share",
        "Level",
        "Level",
    ]
    assert figures["booking_time"]["quantile"] == 0.99
