"""Check that a study in an object store, killed on one machine after the other, gives the tables of an undisturbed one.

    python benchmarks/stored_kills.py             simulated data, moto's S3 server on this computer; about 10 minutes
    python benchmarks/stored_kills.py --bucket az://bucket        an empty store, with credentials in the environment

Dataset and study are addresses (`s3://…`). A machine is a cache folder of its own. The study is started on three
machines in turn and killed with SIGKILL, a random time after its first task has begun; then another machine, which has
nothing, runs it to its end with `--cluster local:2`. Writes the section `stored`, or `stored_az`, of study_kills.json.
"""

import argparse
import hashlib
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fsspec
import yaml
from fsspec.core import url_to_fs
from measuring import ROOT, circumstances, save
from moto.server import ThreadedMotoServer
from study_kills import STUDY, finish, hashes, prepare

N_KILLS, N_MACHINES, SEED = 9, 3, 0
LIBRARIES = {"s3": "s3fs", "az": "adlfs", "gs": "gcsfs"}


def serve() -> ThreadedMotoServer:
    """An empty bucket on this computer; children find it by the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    fsspec.filesystem("s3").mkdir("bucket")
    return server


def put(folder: Path, address: str) -> None:
    """Copy a folder into the store."""
    store, root = url_to_fs(address)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name, path in files.items():
        store.pipe_file(f"{root}/{name}", path.read_bytes())


def start(machine: Path, bucket: str, *words: str) -> "subprocess.Popen[bytes]":
    """Start the user's command on a machine, which is made if there is none."""
    (machine / "home").mkdir(parents=True, exist_ok=True)
    own = {"dataset": f"{bucket}/data", "output_dir": f"{bucket}/study"}
    (machine / "lab.yaml").write_text(yaml.safe_dump(STUDY | own), encoding="utf-8")
    main = "from segassay.cli import main; main()"
    call = [sys.executable, "-W", "ignore", "-c", main, "study", "run", "lab.yaml", *words]
    here = {"XDG_CACHE_HOME": str(machine / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{machine.as_posix()}/mlflow.db"}
    with (machine / "run.log").open("ab") as log:
        return subprocess.Popen(call, env=os.environ | here, cwd=machine, stdout=log, stderr=log)


def kill(machine: Path, bucket: str, seconds: float) -> bool:
    """Start the study there, and kill it some seconds after a task has begun; whether it still ran."""
    began, process = time.time(), start(machine, bucket)

    def is_at_work() -> bool:
        return any(path.stat().st_mtime > began for path in machine.glob("home/**/logs/*.log"))

    while not is_at_work() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(seconds)
    if process.poll() is not None:
        return False
    process.kill()
    process.wait()
    return True


def n_sent(bucket: str) -> int:
    """Tasks that are whole in the store."""
    store, root = url_to_fs(f"{bucket}/study", use_listings_cache=False)
    return len(store.find(f"{root}/checksums"))


def tables(bucket: str) -> dict[str, str]:
    """SHA-256 of every table in the store."""
    store, root = url_to_fs(f"{bucket}/study", use_listings_cache=False)
    keys = [*store.glob(f"{root}/evaluation/tables/*.csv"), f"{root}/annotations.csv"]
    return {key.removeprefix(f"{root}/"): hashlib.sha256(store.cat_file(key)).hexdigest() for key in keys}


def main() -> None:
    """Kill, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", help="address of an empty bucket; by default one of moto's server")
    bucket = parser.parse_args().bucket
    draw, kills = random.Random(SEED), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a killed study's workers may still write
        quiet = prepare(Path(folder) / "quiet")
        finish(quiet)
        server = None if bucket else serve()
        bucket = bucket or "s3://bucket"
        put(quiet.dataset.folder, f"{bucket}/data")
        for number in range(N_KILLS):
            seconds = round(draw.uniform(0, 10), 2)
            ran = kill(Path(folder) / f"machine_{number % N_MACHINES}", bucket, seconds)
            kills.append({"machine": number % N_MACHINES, "seconds": seconds, "killed": ran, "sent": n_sent(bucket)})
            print(kills[-1], flush=True)
        last = Path(folder) / "another_machine"
        if status := start(last, bucket, "--cluster", "local:2").wait():
            raise RuntimeError(f"exit code {status}: {(last / 'run.log').read_text()[-2000:]}")
        expected, found = hashes(quiet), tables(bucket)
        kind = bucket.partition("://")[0]
        libraries = [LIBRARIES.get(kind, "fsspec"), *(["moto"] if server else [])]
        under = circumstances(quiet.dataset, ["torch", "monai", "mlflow", *libraries])
        if server:
            server.stop()
    same = {name: found.get(name) == digest for name, digest in expected.items()}
    print(f"{sum(same.values())} of {len(same)} tables are the same, byte for byte")
    path = ROOT / "benchmarks" / "results" / "study_kills.json"
    save(path, "stored" if server else f"stored_{kind}", {"kills": kills, "same_tables": same} | under)
    if not all(same.values()) or set(found) != set(expected):
        sys.exit("the tables differ")


if __name__ == "__main__":
    main()
