"""Style of the page: contrasts, colours that differ for readers who see no green, and nothing from elsewhere."""

import itertools
import re

import numpy as np
import pytest

from segassay.figures.style import CURVES, curve_style
from segassay.report.templating import TEMPLATES

CSS = (TEMPLATES / "report.css").read_text(encoding="utf-8")
GROUNDS = {
    "--text": ("--page", "--raised", "--yes-ground", "--no-ground", "--open-ground"),
    "--soft": ("--page", "--raised", "--open-ground", "--yes-ground", "--no-ground"),
    "--link": ("--page", "--raised", "--yes-ground", "--no-ground", "--open-ground"),
    "--yes": ("--page", "--yes-ground"),
    "--no": ("--page", "--no-ground"),
    "--open": ("--page", "--open-ground"),
}
"""Colours of text -> the grounds on which it stands."""
MARKS = {"--mark": ("--page", "--good", "--yes-ground", "--no-ground", "--open-ground"), "--edge": ("--page",)}
"""Colours of marks and edges that carry a meaning."""


def schemes() -> dict[str, dict[str, str]]:
    """Colours of each scheme: light, dark as the system says, dark by the button, in print."""
    named = {
        "light": r"^:root \{(.*?)\n\}",
        "dark": r'^:root\[data-theme="dark"\] \{(.*?)\n\}',
        "system": r':root:not\(\[data-theme="light"\]\) \{(.*?)\n  \}',
        "print": r':root, :root\[data-theme="dark"\], .*?\{(.*?)\n  \}',
    }
    found = {name: re.search(pattern, CSS, re.DOTALL | re.MULTILINE) for name, pattern in named.items()}
    return {name: dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", match[1])) for name, match in found.items() if match}


def linear(colour: str) -> np.ndarray:
    share = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of WCAG 2, 1 to 21."""
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_on_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the known grey that just fails


@pytest.mark.parametrize("scheme", ["light", "dark", "system", "print"])
def test_text_can_be_read_and_marks_can_be_seen(scheme):
    colours = schemes()[scheme]
    for texts, least in ((GROUNDS, 4.5), (MARKS, 3.0)):
        for colour, grounds in texts.items():
            for ground in grounds:
                found = contrast(colours[colour], colours[ground])
                assert found >= least, f"{scheme}: {colour} on {ground} has {found:.2f}"


def test_dark_colours_are_the_same_by_the_button_and_by_the_system():
    assert schemes()["dark"] == schemes()["system"] != schemes()["light"]


def test_style_and_script_ask_for_nothing_and_make_no_markup_of_text():
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    assert "url(" not in CSS
    assert "@import" not in CSS
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "XMLHttp",
        "http",
    ):
        assert word not in script, word
    assert "</" not in script
    assert "</" not in CSS


DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""Machado, Oliveira & Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1, for linear RGB."""
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def seen(colour: str) -> np.ndarray:
    """CIELAB of a colour as it is seen with deuteranopia."""
    xyz = TO_XYZ @ np.clip(DEUTERANOPIA @ linear(colour), 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str) -> float:
    return float(np.linalg.norm(seen(one) - seen(other)))


def test_curves_are_told_apart_without_seeing_green():
    """Twice the difference of the two colours that were alike, a green and a grey; just seen are 2.3."""
    assert apart("#029e73", "#949494") < 11
    assert min(apart(one, other) for one, other in itertools.combinations(CURVES, 2)) > 15


def test_no_two_curves_look_the_same_even_without_colour():
    styles = [curve_style(number) for number in range(72)]
    assert len({(style["color"], style["marker"], str(style["linestyle"])) for style in styles}) == 72
    for first in range(0, 72, 12):
        uncoloured = {(style["marker"], str(style["linestyle"])) for style in styles[first : first + 12]}
        assert len(uncoloured) == 12
