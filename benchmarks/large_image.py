"""Memory and time of `segassay predict` on one large image, as tiled OME-TIFF and as OME-Zarr.

    python benchmarks/large_image.py MODEL [tiff zarr] [--side 20000] [--split-touching] [--out benchmarks/results]

MODEL is as of `segassay predict`: a study, a folder of members, model.pt. The image is a mosaic of simulated nuclei,
the same in both files. Each is predicted in a process of its own with one thread and the default files; its peak of
resident memory counts, and its time on the clock and of the processor. The masks of both must be equal. Needs zarr 3,
which writes the OME-Zarr: `pip install "segassay[monai,dev]"`. On disk it takes about 20 bytes per pixel for a while.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from measuring import ROOT, circumstances, peak_mib, save, show

from segassay.io.windows import open_windows, strips_of
from segassay.simulation.dataset import Simulation, simulate_case

TILE = 512
N_TILES = 12  # different ones
PACKAGES = ("segassay", "numpy", "scipy", "torch", "monai", "tifffile", "imagecodecs", "zarr")


def main() -> None:
    """Make the image, predict it, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="tiff, zarr; default: both")
    parser.add_argument("--side", type=int, default=20_000, help="pixels along each axis (default: %(default)s)")
    parser.add_argument("--split-touching", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the results")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.kinds = args.kinds or ["tiff", "zarr"]
    if unknown := set(args.kinds) - {"tiff", "zarr"}:
        parser.error(f"no kind {', '.join(sorted(unknown))}; choose from tiff, zarr")
    if args.child is not None:
        return child(args)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(args, kind, Path(folder)) for kind in args.kinds]
        masks = [Path(folder, kind, "masks", "image.ome.tif") for kind in args.kinds]
        if len(masks) == 2 and not equal(*masks):
            sys.exit("the masks of the OME-TIFF and of the OME-Zarr differ")
    show(rows)
    only = "" if len(args.kinds) == 2 else f"_{args.kinds[0]}"
    section = f"{args.side}{only}{'_split' if args.split_touching else ''}"
    save(args.out / "large_image.json", section, circumstances(None, PACKAGES) | {"side": args.side, "runs": rows})
    return None


def row(args, kind, folder):
    """Measure one kind in a process of its own."""
    image = {"tiff": write_tiff, "zarr": write_zarr}[kind](folder, args.side)
    size = sum(file.stat().st_size for file in ([image] if image.is_file() else image.rglob("*")) if file.is_file())
    command = [sys.executable, __file__, str(args.model), kind, "--child", str(image), "--out", str(folder / kind)]
    command += ["--split-touching"] if args.split_touching else []
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    found = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr)
    return {"kind": kind, "file_mib": size / 2**20} | json.loads(found.stdout.splitlines()[-1])


def child(args) -> None:
    """Predict one image, and print the numbers as JSON."""
    import torch

    from segassay_monai.prediction.run import predict

    torch.set_num_threads(1)
    imported, start, used = peak_mib(), time.perf_counter(), time.process_time()
    done = predict(args.model, args.child, out=args.out, split_touching=args.split_touching, device="cpu")
    if len(done.failed):
        sys.exit(done.failed["what"].item())
    numbers = {
        "n_members": int(done.cases["n_members"].item()),
        "n_objects": len(done.objects),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - used,
        "peak_mib": peak_mib(),
        "imported_mib": imported,
    }
    print(json.dumps(numbers))


def tiles(side):
    """Rows of tiles of the mosaic, each `(row, column, tile)`."""
    settings = Simulation(shape=(TILE, TILE), n_nuclei=60, dtype="uint16", n_cases=N_TILES)
    made = [simulate_case(settings, index)[0] for index in range(N_TILES)]
    n = -(-side // TILE)
    chosen = np.random.default_rng(0).integers(0, N_TILES, (n, n))
    for place in np.ndindex(n, n):
        yield *place, made[chosen[place]]


def write_tiff(folder, side):
    """Tiled OME-TIFF."""
    path = folder / "image.ome.tif"
    tifffile.imwrite(
        path,
        (tile for _, _, tile in tiles(side)),
        shape=(side, side),
        dtype=np.uint16,
        tile=(TILE, TILE),
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
    )
    return path


def write_zarr(folder, side):
    """OME-Zarr (NGFF 0.5) of one level, in the default compression of the zarr library."""
    import zarr

    path = folder / "image.ome.zarr"
    space = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}
    group = zarr.create_group(path, zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": space, "datasets": [level]}]}
    array = group.create_array("0", shape=(side, side), chunks=(1024, 1024), dtype="uint16")
    strip = np.zeros((1024, side), np.uint16)
    for row, column, tile in tiles(side):
        top, left = row * TILE, column * TILE
        inside = tile[: side - top, : side - left]
        strip[top % 1024 : top % 1024 + len(inside), left : left + inside.shape[1]] = inside
        if left + TILE >= side and (top % 1024 or top + TILE >= side):
            first = top // 1024 * 1024
            array[first : min(first + 1024, side)] = strip[: min(1024, side - first)]
    return path


def equal(one, other):
    """Whether two masks have the same pixels."""
    with open_windows(one, one.parent) as ours, open_windows(other, other.parent) as theirs:
        strips = zip(strips_of(ours, 512), strips_of(theirs, 512), strict=True)
        return all(np.array_equal(a, b) for a, b in strips)


if __name__ == "__main__":
    main()
