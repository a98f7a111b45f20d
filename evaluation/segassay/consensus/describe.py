"""Describe a consensus in words: how many raters a pixel needed, and what is unusual."""

import pandas as pd


def describe_consensus(table: pd.DataFrame, method: str) -> list[str]:
    """Describe a consensus in a few lines.

    Args:
        table: From `write_consensus`.
        method: The method of the consensus.

    Returns:
        How many images and raters, how many raters were enough for a pixel, and everything unusual.
    """
    cases = table.groupby("case", sort=False).first()
    if "class" in table:
        smallest = table.groupby("case", sort=False)[["n_raters_needed", "n_lost"]]
        cases["n_raters_needed"], cases["n_lost"] = smallest.min()["n_raters_needed"], smallest.max()["n_lost"]
    fused = cases[cases["n_raters"] > 0]
    lines = [f"consensus of {table['rater'].nunique()} raters by {method}: {_images(len(fused))}"]
    needed = fused["n_raters_needed"].dropna().astype(int).value_counts().sort_index()
    if len(needed):
        shares = ", ".join(f"{number} in {_images(count)}" for number, count in needed.items())
        what = "an object" if method == "object" else "a pixel"
        lines.append(f"raters needed to mark {what}: {shares}")
    lines += _classes(table) if "class" in table else []
    remarks = (
        (~cases["n_raters"].gt(0), "annotated by no rater, so without a consensus"),
        (cases["n_raters"] == 1, "annotated by one rater, whose mask is the consensus"),
        ((cases["n_raters"] > 0) & cases["n_raters_needed"].isna(), "with an empty consensus"),
        (cases["converged"].eq(False), "where STAPLE did not converge"),
        (cases["n_lost"].fillna(0) > 0, "where an object with enough supporters was lost because it touched others"),
    )
    for which, what in remarks:
        if which.any():
            names = list(cases.index[which])
            more = ", …" if len(names) > 5 else ""
            lines.append(f"{_images(len(names))} {what}: {', '.join(names[:5])}{more}")
    return lines


def _classes(table: pd.DataFrame) -> list[str]:
    """Each class: in how many images the consensus has it, and in how many at least one rater."""
    lines = []
    for name, rows in table.groupby("class", sort=False):
        by_case = rows.groupby("case", sort=False)
        n_consensus = int(by_case["n_objects_consensus"].first().gt(0).sum())
        n_raters = int(by_case["n_objects"].max().gt(0).sum())
        lines.append(f"{name}: in the consensus of {_images(n_consensus)}; a rater saw it in {n_raters}")
    return lines


def _images(n: int) -> str:
    return "1 image" if n == 1 else f"{n} images"
