"""Known facts of a simulation: of each case, and the expected effects of each group."""

from typing import Any

from segassay.simulation.scene import Scene, place_of
from segassay.simulation.settings import Simulation


def facts_of_case(case: str, scene: Scene, settings: Simulation, index: int) -> dict[str, Any]:
    """Facts of one case; the lists hold one number per label of the truth, from label 1."""
    place, names = place_of(settings, index), list(settings.classes)
    return {
        "case": case,
        "group": place.group,
        "region": place.region,
        "subject": place.subject,
        "n_objects": len(scene.nuclei),
        "n_out_of_focus": len(scene.out_of_focus),
        "n_debris": len(scene.debris),
        "contrasts": [round(blob.contrast, 3) for blob in scene.nuclei],
        "radii_px": [round(blob.radius, 2) for blob in scene.nuclei],
        **({"classes": [names[blob.kind - 1] for blob in scene.nuclei]} if names else {}),
    }


def expected_of_raters(settings: Simulation) -> list[dict[str, Any]]:
    """Effects in the settings, group by group within each region: expected number, and ratios to the control."""
    control = next(iter(settings.groups))
    rows = []
    for region in list(settings.regions) or [""]:
        density = settings.regions[region].density if region else 1.0
        base = settings.effect(control, region)
        for group in settings.groups:
            effect = settings.effect(group, region)
            rows.append({"region": region, "group": group, "n_nuclei": settings.n_nuclei * density * effect.count})
            rows[-1] |= {"count_ratio": effect.count / base.count if base.count else None}
            rows[-1] |= {"contrast_ratio": effect.intensity / base.intensity, "size_ratio": effect.size / base.size}
            rows[-1] |= {"marker_ratio": effect.marker / base.marker} if settings.channels else {}
    return rows
