"""A server for a group, for real: four processes log at once while the server is killed; nothing acknowledged is lost.

    python benchmarks/team_server.py                   # PostgreSQL and basic auth; needs initdb, psycopg2, mlflow[auth]
    python benchmarks/team_server.py --store sqlite    # short: SQLite and basic auth

Starts the database and `mlflow server --app-name basic-auth` from the installed packages, on 127.0.0.1 alone; is
refused without a password and as a user without permission; logs from four processes, kills the server with SIGKILL in
the middle and starts it again; reads everything back; makes a backup, and restores it into another database. Ends with
exit code 1 if a metric is missing whose call had returned. Skips, and says why, where a package is missing.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "team_server.json"
EXPERIMENT, N_PROCESSES = "team", 4
ADMIN, PASSWORD = "admin", secrets.token_urlsafe(16)


def main() -> None:
    """Run the benchmark, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--steps", type=int, default=40, help="metrics that each process logs one by one")
    parser.add_argument("--out", type=Path, help=f"by default {RESULT.relative_to(ROOT)}, of PostgreSQL only")
    call = parser.parse_args()
    if reason := _missing(call.store):
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        uri = stack.enter_context(_postgresql(folder)) if call.store == "postgresql" else f"sqlite:///{folder}/m.db"
        found = _benchmark(folder, uri, call.steps, stack)
    found = {"command": f"python benchmarks/team_server.py --store {call.store} --steps {call.steps}"} | found
    print(text := json.dumps(found, indent=1))
    if out := call.out or (RESULT if call.store == "postgresql" else None):
        out.write_text(text + "\n", encoding="utf-8")
    if found["n_lost"] or found["n_lost_in_restored"] or not found["artifact_is_the_same"]:
        sys.exit("error: acknowledged metrics or files are lost")


def _missing(store: str) -> str:
    """Why the benchmark cannot run here; empty if it can."""
    if find_spec("flask_wtf") is None:
        return "the login of MLflow is not installed: pip install 'mlflow[auth]'"
    if store == "postgresql" and (find_spec("psycopg2") is None or not _program("initdb")):
        return "PostgreSQL is not installed: its server, and pip install psycopg2-binary"
    return ""


def _program(name: str) -> str:
    """Path of a program of PostgreSQL, which Debian keeps off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)])) or ""


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of its own, as an unprivileged user; the address of its database."""
    data, port, password = folder / "postgresql", _free_port(), secrets.token_urlsafe(16)
    data.mkdir()
    (folder / "password").write_text(password, encoding="utf-8")
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    if user:
        for path in (data, folder / "password"):
            shutil.chown(path, "postgres")
    words = [_program("initdb"), "-D", str(data), "-U", "mlflow", "-A", "scram-sha-256", f"--pwfile={folder}/password"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **user)
    words = [_program("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    with (folder / "postgresql.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, **user)
    environment = os.environ | {"PGPASSWORD": password, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "mlflow"}
    try:
        _wait(lambda: _succeeds([_program("pg_isready"), "-q"], environment), process)
        for name in ("mlflow", "restored"):
            subprocess.run([_program("createdb"), name], check=True, env=environment)
        yield f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{port}/mlflow"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _succeeds(words: list[str], environment: dict[str, str]) -> bool:
    return subprocess.run(words, env=environment, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _benchmark(folder: Path, uri: str, n_steps: int, stack: ExitStack) -> dict[str, object]:
    server = Server(folder, uri)
    stack.callback(server.kill)
    server.start()
    found: dict[str, object] = {
        "store": uri.partition(":")[0].partition("+")[0],
        "n_processes": N_PROCESSES,
        "n_steps": n_steps,
    }
    os.environ.pop("MLFLOW_TRACKING_PASSWORD", None)
    os.environ["MLFLOW_TRACKING_URI"] = server.address
    found["without_password"] = _refusal()
    os.environ |= {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}

    from mlflow.server.auth.client import AuthServiceClient

    from segassay import tracking

    tracking.open_experiment(EXPERIMENT)
    AuthServiceClient(server.address).create_user("ben", "ben's password")
    os.environ |= {"MLFLOW_TRACKING_USERNAME": "ben", "MLFLOW_TRACKING_PASSWORD": "ben's password"}
    found["without_permission"] = _refusal()
    os.environ |= {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}

    started = time.monotonic()
    words = [sys.executable, "-W", "ignore", __file__]
    with (folder / "printed").open("wb") as printed:
        workers = [
            subprocess.Popen([*words, "worker", str(number), str(n_steps), str(folder)], stdout=printed, stderr=printed)
            for number in range(N_PROCESSES)
        ]
    _wait(lambda: len(_acknowledged(folder)) >= N_PROCESSES * n_steps // 2, *workers)
    found["n_acknowledged_at_kill"] = len(_acknowledged(folder))
    server.kill()
    server.start()
    codes = [worker.wait(timeout=600) for worker in workers]
    found["seconds"] = round(time.monotonic() - started, 1)
    found["exit_codes"] = codes
    found["printed_by_workers"] = (folder / "printed").read_text(encoding="utf-8")
    acknowledged = _acknowledged(folder)
    found["n_acknowledged"] = len(acknowledged)
    found["n_lost"] = len(acknowledged - _logged())
    found["artifact_is_the_same"] = _artifacts_are_the_same(folder)
    found["n_lost_in_restored"] = _restored(folder, uri, server, acknowledged)
    return found


class Server:
    """`mlflow server` with a login, on this computer alone; started again it is the same."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.uri, self.port = folder, uri, _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        config = (ROOT / "mlflow" / "basic_auth.ini").read_text(encoding="utf-8")
        (folder / "auth.ini").write_text(config.replace("/users/", f"{folder}/"), encoding="utf-8")
        self.environment = os.environ | {
            "MLFLOW_BACKEND_STORE_URI": uri,
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(16),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        self.environment.pop("MLFLOW_TRACKING_URI", None)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        words = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--app-name", "basic-auth"]
        words += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                words, env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        try:
            _wait(lambda: _answers(f"{self.address}/health"), self.process)
        except SystemExit:
            print((self.folder / "server.log").read_text(encoding="utf-8", errors="replace")[-3000:], file=sys.stderr)
            raise

    def kill(self) -> None:
        """Kill the server and its workers at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _refusal() -> str:
    """The message of a refused call, without what changes from run to run."""
    from segassay import tracking
    from segassay.errors import UsageError

    try:
        with tracking.run(EXPERIMENT, "refused", tags={}, params={}):
            sys.exit("error: the server lets in whom it must not")
    except UsageError as error:
        if PASSWORD in str(error):
            sys.exit("error: a message holds the password")
        return str(error).replace(tracking.store_uri(), "SERVER")


def _work(number: int, n_steps: int, folder: Path) -> None:
    """Log numbers one by one, and write down each whose call has returned."""
    from segassay import tracking

    name = f"worker {number}"
    with tracking.run(EXPERIMENT, name, tags={"worker": number}, params={"worker": number}):
        (folder / name).write_bytes(bytes([number]) * 100_000)
        with (folder / f"acknowledged{number}").open("a", encoding="utf-8") as done:
            for step in range(n_steps):
                tracking.log_metrics({"value": step / 7}, step=step)
                done.write(f"{step}\n")
                done.flush()
        tracking.log_files(folder / name)


def _acknowledged(folder: Path) -> set[tuple[str, int]]:
    return {
        (path.name.removeprefix("acknowledged"), int(step))
        for path in folder.glob("acknowledged*")
        for step in path.read_text(encoding="utf-8").split("\n")[:-1]
    }


def _logged() -> set[tuple[str, int]]:
    """Worker and step of each value that the server gives back, and that is right."""
    return {
        (run.data.tags["worker"], point.step)
        for run in _runs()
        for point in _client().get_metric_history(run.info.run_id, "value")
        if point.value == point.step / 7
    }


def _runs() -> list:
    experiment = _client().get_experiment_by_name(EXPERIMENT)
    return [run for run in _client().search_runs([experiment.experiment_id]) if "worker" in run.data.tags]


def _client():
    from mlflow import MlflowClient

    return MlflowClient(os.environ["MLFLOW_TRACKING_URI"])


def _artifacts_are_the_same(folder: Path) -> bool:
    runs = _runs()
    return len(runs) == N_PROCESSES and all(
        Path(
            _client().download_artifacts(run.info.run_id, run.info.run_name, tempfile.mkdtemp(dir=folder))
        ).read_bytes()
        == (folder / run.info.run_name).read_bytes()
        for run in runs
    )


def _restored(folder: Path, uri: str, server: Server, acknowledged: set[tuple[str, int]]) -> int:
    """How many acknowledged metrics a backup lacks, restored into another database and served from there."""
    other = f"{uri.rpartition('/')[0]}/restored" if uri.startswith("postgresql") else f"sqlite:///{folder}/restored.db"
    path = os.pathsep.join([str(Path(_program("pg_dump") or "/").parent), os.environ["PATH"]])
    for what, place, artifacts in (("save", uri, "artifacts"), ("restore", other, "artifacts_restored")):
        words = [sys.executable, "-m", "segassay.tracking.backup", what, str(folder / "backup")]
        words += ["--artifacts", str(folder / artifacts)]
        subprocess.run(words, check=True, env=os.environ | {"MLFLOW_BACKEND_STORE_URI": place, "PATH": path})
    server.kill()
    server.environment["MLFLOW_BACKEND_STORE_URI"] = other
    server.start()
    return len(acknowledged - _logged())


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait(happened, *processes: subprocess.Popen, seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not happened():
        if any(process.poll() for process in processes) or time.monotonic() > end:
            sys.exit(f"error: {processes[0].args} ended or takes too long")
        time.sleep(0.2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        _work(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
