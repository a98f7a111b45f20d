"""Open the label images, masks and maps of a prediction with napari's own readers, without a window.

    python -m venv .venv-napari
    .venv-napari/bin/pip install -e . napari
    .venv-napari/bin/python benchmarks/napari_reader.py RESULT

RESULT is a folder that `segassay predict --save all` wrote. Every number must be the one in the file, and labels must
make a layer of labels with as many objects as `objects.csv` has; it takes the pixel size that the file holds, which
napari does not read itself. Exit code 1 if anything differs.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

import npe2
import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from segassay.io.images import read_image, read_mask

KINDS = ("instances", "masks", "prob", "uncertainty")


def main() -> None:
    """Open every file, and compare."""
    result = Path(sys.argv[1])
    npe2.PluginManager.instance().discover()
    with (result / "objects.csv").open(encoding="utf-8", newline="") as file:
        n_objects = Counter(row["case"] for row in csv.DictReader(file))
    n_wrong = n_files = 0
    for kind in KINDS:
        for path in sorted((result / kind).glob("*")):
            [(data, *_)] = npe2.read([str(path)], stack=False)
            expected = (
                read_mask(path) * (255 if kind == "masks" else 1) if kind in KINDS[:2] else read_image(path).array[0]
            )
            viewer = ViewerModel()
            [layer] = viewer.open(str(path), plugin="napari")
            spacing = read_image(path).spacing_um
            wrong = int((np.squeeze(np.asarray(data)) != expected).sum() + (np.squeeze(layer.data) != expected).sum())
            said = f"layer {type(layer).__name__}, {layer.data.dtype}, pixel size in the file {spacing} µm"
            if kind == "instances":
                labels = Labels(np.asarray(layer.data), scale=spacing or (1,) * layer.ndim)
                found = len(np.unique(labels.data)) - 1
                wrong += found != n_objects[path.name.partition(".")[0]]
                said += f", {found} objects"
            print(f"{kind}/{path.name}: {wrong} differ; {said}", flush=True)
            n_wrong, n_files = n_wrong + bool(wrong), n_files + 1
    print(f"{n_wrong} of {n_files} files differ")
    sys.exit(bool(n_wrong) or not n_files)


if __name__ == "__main__":
    main()
