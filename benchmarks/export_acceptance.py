"""Check an export for the Model Zoo in an environment that holds only what its metadata names, without this package.

    python benchmarks/export_acceptance.py MODEL DATASET --out WORK --schema meta_schema_20240725.json --zoo CLONE

The model is exported as with `segassay export zoo`; images of the dataset are cut to a shape that is not square and
written as PNG, TIFF and OME-TIFF with pixel sizes, and NIfTI; then every command that a reviewer or user of the zoo
would run is run from a folder elsewhere. Masks, probabilities and instance labels must be the files of this package,
byte for byte: no pixel, pixel size or affine differs. Exit code 1 if one check fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nibabel
import numpy as np

from segassay.data.cases import read_case_image
from segassay.data.dataset import read_dataset
from segassay.io.images import read_image, read_mask, write_image
from segassay.io.picture import Picture
from segassay_monai import predict
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.zoo.export import export_zoo

OWNER = "lab"
LOAD = """
import os, sys, monai, torch
name, folder, checkpoint = sys.argv[1:]
sys.path.insert(0, os.path.join(folder, name))
net = monai.bundle.load(name, bundle_dir=folder, device="cpu")
assert isinstance(net, torch.nn.Module), type(net)
weights = torch.load(checkpoint, weights_only=True)
state = net.state_dict()
assert set(weights) == set(state) and all(torch.equal(weights[key], state[key]) for key in weights)
script, metadata, _ = monai.bundle.load(name, bundle_dir=folder, device="cpu", load_ts_module=True)
image = torch.rand(1, metadata["network_data_format"]["inputs"]["image"]["num_channels"], *[32] * SPATIAL)
assert torch.allclose(net.eval()(image), script(image), atol=1e-6)
print(len(weights), "tensors")
"""
CHECK = """
import sys, monai, os
folder = sys.argv[1]
sys.path.insert(0, folder)
for kind, files in {"inference": ["inference"], "evaluation": ["inference", "evaluate"]}.items():
    config = [os.path.join(folder, "configs", f"{name}.json") for name in files]
    workflow = monai.bundle.create_workflow(config_file=config, workflow_type=kind, logging_file=False)
    missing = workflow.check_properties()
    absent = [name for name in workflow.properties if not hasattr(workflow, name)]
    assert missing == [] and absent == [], (kind, missing, absent)
try:
    import segassay
except ImportError:
    print("no segassay here")
else:
    sys.exit("segassay is installed in the clean environment")
"""


class Checks:
    """Commands in the clean environment, and which of them passed."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder, self.failed = python, folder, 0
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "BUNDLE_DOWNLOAD_SRC")}
        self.environment = plain | {
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(folder / "hub"),
            "PYTHONWARNINGS": "ignore",
        }

    def run(self, name: str, *words: str, cwd: Path | None = None, **environment: str) -> str:
        """Run Python of the clean environment; a check passes with exit code 0."""
        start = time.monotonic()
        done = subprocess.run(
            [str(self.python), *words],
            cwd=cwd or self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        self.show(name, done.returncode == 0, f"{time.monotonic() - start:.0f} s", output)
        return output

    def show(self, name: str, passed: bool, detail: str, output: str = "") -> None:
        """Print a line; of a failure also the end of the output."""
        print(f"{'pass' if passed else 'FAIL'}  {name}  ({detail})", flush=True)
        if not passed:
            self.failed += 1
            print("\n".join(f"      {line}" for line in output.splitlines()[-15:]), flush=True)


def main() -> None:
    """Export, then check."""
    words = _words()
    out = words.out.resolve()
    for name in ("elsewhere", "ours"):
        shutil.rmtree(out / name, ignore_errors=True)
    bundle = export_zoo(words.model, out / "models" / words.name, about=words.about, overwrite=True)
    python = words.python or _clean_environment(bundle, out / "clean_env")
    checks = Checks(python, out / "elsewhere")
    images = out / "images"
    spatial = _write_images(words.dataset, images)
    _check_bundle(checks, bundle, words.schema)
    _check_masks(checks, "run", bundle, words.model, images, out)
    load = LOAD.replace("SPATIAL", str(spatial))
    checks.run("load", "-c", load, bundle.name, str(bundle.parent), str(bundle / "models" / "model.pt"))
    with _hub(bundle) as address:
        there = checks.folder / "downloaded"
        download = ["-m", "monai.bundle", "download", "--name", bundle.name, "--bundle_dir", str(there)]
        download += ["--source", "huggingface_hub", "--repo", f"{OWNER}/{bundle.name}"]
        checks.run("download", *download, HF_ENDPOINT=address)
    copy = there / bundle.name
    checks.run("load what was downloaded", "-c", load, copy.name, str(there), str(bundle / "models" / "model.pt"))
    _check_masks(checks, "run what was downloaded", copy, words.model, images, out)
    wrong = [f"{found.claim}: {found.detail}" for found in verify(copy) if found.agrees is False]
    checks.show("verify what was downloaded", not wrong, "its certificate agrees", "\n".join(wrong))
    if words.zoo is not None:
        _check_zoo(checks, bundle, words.zoo.resolve(), out / "zoo", words.schema, words.tools or python)
    print(f"{checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="study, folder of members or checkpoint")
    parser.add_argument("dataset", type=Path, help="dataset folder with images to predict")
    parser.add_argument("--out", type=Path, required=True, help="folder to work in")
    parser.add_argument("--schema", type=Path, required=True, help="the schema that the metadata names")
    parser.add_argument("--zoo", type=Path, help="clone of Project-MONAI/model-zoo, for its own checks")
    parser.add_argument("--python", type=Path, help="Python of the clean environment; by default one is made")
    parser.add_argument("--tools", type=Path, help="Python with black, isort and flake8; by default the clean one")
    parser.add_argument("--about", type=Path, help="about.yaml of the export")
    parser.add_argument("--name", default="objects_microscopy_segmentation")
    return parser.parse_args()


def _clean_environment(bundle: Path, folder: Path) -> Path:
    """An environment with what the metadata names, and nothing else."""
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    packages = {name: metadata[f"{key}_version"] for name, key in _BASE.items()} | metadata["required_packages_version"]
    venv.create(folder, clear=True, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *(f"{k}=={v}" for k, v in packages.items())], check=True)
    return python


_BASE = {"monai": "monai", "torch": "pytorch", "numpy": "numpy"}


def _write_images(dataset: Path, folder: Path) -> int:
    """Images without two axes of one length, and none that fits the network, in four formats; the number of axes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    read = read_dataset(dataset)
    for case, suffix in zip(read.cases, (".png", ".tif", ".nii.gz", ".ome.tif"), strict=False):
        picture = read_case_image(read, case)
        cut = tuple(slice(size - min(3 + 10 * axis, size // 3)) for axis, size in enumerate(picture.array.shape[1:]))
        array = np.ascontiguousarray(picture.array[(slice(None), *cut)])
        suffix = ".tiff" if suffix == ".png" and array.ndim == 4 else suffix
        spacing = picture.spacing_um or (1.5, 0.65, 0.325)[4 - array.ndim :]
        name = f"{suffix.strip('.').replace('.', '_')}{suffix}"
        write_image(folder / name, Picture(array, spacing, picture.affine, picture.placement))
    return array.ndim - 1


def _check_bundle(checks: Checks, bundle: Path, schema: Path) -> None:
    """The checks of `monai.bundle` in the folder of the bundle, on a copy that they may change."""
    copy = checks.folder / "copy" / bundle.name
    shutil.copytree(bundle, copy)
    (copy / "eval").mkdir()
    shutil.copyfile(schema, copy / "eval" / "schema.json")
    meta = ["--meta_file", "configs/metadata.json"]
    config = [*meta, "--net_id", "network_def", "--config_file", "configs/inference.json"]
    monai = ["-m", "monai.bundle"]
    checks.run("verify_metadata", *monai, "verify_metadata", *meta, "--filepath", "eval/schema.json", cwd=copy)
    checks.run("verify_net_in_out", *monai, "verify_net_in_out", *config, cwd=copy)
    files = ["--filepath", "models/again.ts", "--ckpt_file", "models/model.pt"]
    checks.run("ckpt_export", *monai, "ckpt_export", *config, *files, cwd=copy)
    checks.run("check_properties without data", "-c", CHECK, str(bundle))


def _check_masks(checks: Checks, name: str, bundle: Path, model: str, images: Path, out: Path) -> None:
    """Run inference from a folder elsewhere, and compare its files with those of this package."""
    ours, theirs = out / "ours", out / "theirs"
    if not ours.exists():
        predict(model, images, out=ours, save=["mask", "prob", "instances"])
    shutil.rmtree(theirs, ignore_errors=True)
    config = str(bundle / "configs" / "inference.json")
    words = ["--config_file", config, "--dataset_dir", str(images), "--output_dir", str(theirs)]
    checks.run(name, "-m", "monai.bundle", "run", *words, "--save_instances", "True")
    for path in sorted((ours / "masks").glob("*")):
        found, expected = theirs / "masks" / path.name, read_mask(path)
        differing = int((read_mask(found) != expected).sum()) if found.is_file() else expected.size
        spacing = read_image(path).spacing_um
        detail = f"{differing} pixels differ, {int(expected.sum())} of {expected.shape} marked, spacing {spacing} µm"
        checks.show(f"{name}: mask of {path.name}", differing == 0, detail)
    for kind in ("masks", "prob", "instances"):
        expected = {path.name: path.read_bytes() for path in sorted((ours / kind).iterdir())}
        written = {path.name: path.read_bytes() for path in (theirs / kind).glob("*")}
        checks.show(f"{name}: {kind}", written == expected, f"{len(expected)} files, the same bytes")
    if (theirs / "masks").is_dir():
        places = (images / "nii_gz.nii.gz", theirs / "masks" / "nii_gz.nii.gz")
        affine = [nibabel.load(folder).affine for folder in places]
        checks.show(f"{name}: affine of the NIfTI", np.array_equal(*affine), "as in the image")


def _check_zoo(checks: Checks, bundle: Path, zoo: Path, folder: Path, schema: Path, tools: Path) -> None:
    """The zoo's own verification and code format, in a copy of its repository."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(zoo), "archive", "HEAD", "ci", "pyproject.toml", "setup.cfg", "models/model_info.json"],
        capture_output=True,
        check=True,
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    copy = folder / "models" / bundle.name
    shutil.copytree(bundle, copy)
    (copy / "eval").mkdir()
    shutil.copyfile(schema, copy / "eval" / "schema.json")
    for mode in ("min", "full"):
        checks.run(f"zoo: verify_bundle {mode}", "ci/verify_bundle.py", "-b", bundle.name, "-m", mode, cwd=folder)
    checks.python = tools
    checks.run("zoo: black", "-m", "black", "--skip-magic-trailing-comma", "--check", str(copy), cwd=folder)
    checks.run("zoo: isort", "-m", "isort", "--check", str(copy), cwd=folder)
    checks.run("zoo: flake8", "-m", "flake8", str(copy), cwd=folder)
    for path in copy.rglob("*.json"):
        text = path.read_text()
        pretty = json.dumps(json.loads(text), indent=4) + "\n"
        if path.parent.name == "configs":
            checks.show(f"zoo: format of {path.name}", text == pretty, "indent 4, order kept")


def _hub(bundle: Path) -> AbstractContextManager[str]:
    """A server on this machine that answers as Hugging Face does for one repository, whose root is the bundle."""
    return _served(type("Hub", (_Hub,), {"bundle": bundle}))


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


class _Hub(BaseHTTPRequestHandler):
    bundle: Path
    commit = "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        repository, path = f"{OWNER}/{self.bundle.name}", self.path.partition("?")[0].strip("/")
        files = {file.relative_to(self.bundle).as_posix(): file for file in self.bundle.rglob("*") if file.is_file()}
        if path == f"api/models/{repository}/refs":
            refs = [{"name": "latest_version", "ref": "refs/tags/latest_version", "targetCommit": self.commit}]
            main = [{"name": "main", "ref": "refs/heads/main", "targetCommit": self.commit}]
            return self._send(json.dumps({"branches": main, "converts": [], "tags": refs}).encode(), with_body)
        if path.startswith(f"api/models/{repository}/tree/"):
            tree = [{"type": "file", "path": name, "size": file.stat().st_size} for name, file in files.items()]
            tree = [entry | {"oid": hashlib.sha1(str(entry).encode()).hexdigest()} for entry in tree]
            return self._send(json.dumps(tree).encode(), with_body)
        if path.startswith(f"api/models/{repository}"):
            siblings = [{"rfilename": name} for name in files]
            about = {"id": repository, "sha": self.commit, "siblings": siblings, "tags": [], "private": False}
            return self._send(json.dumps(about).encode(), with_body)
        start = f"{repository}/resolve/"
        name = path.removeprefix(start).partition("/")[2] if path.startswith(start) else ""
        if name in files:
            return self._send(files[name].read_bytes(), with_body)
        self.send_error(404)
        return None

    def _send(self, body: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    main()
