import pytest

from bench.growth import Curve, steepest


@pytest.mark.parametrize(
    ("points", "exponent"),
    [
        pytest.param([(1, 7), (10, 7), (1000, 7)], 0, id="flat"),
        pytest.param([(1, 2), (10, 20), (1000, 2000)], 1, id="linear"),
        pytest.param([(1, 1), (10, 100)], 2, id="quadratic"),
        pytest.param([(100, 50), (200, 25)], -1, id="falling"),
        pytest.param([(1, 1), (2, 1), (4, 8), (8, 8)], 3, id="cliff"),
    ],
)
def test_steepest(points: list[tuple[float, float]], exponent: float) -> None:
    """A curve is called as steep as its worst step."""
    assert steepest(Curve("", "", "", points)) == pytest.approx(exponent)
