"""What a run has logged, got back: runs below a run, and files.

id of a run  ->  ids of evaluations, files in a folder
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from segassay.errors import UsageError
from segassay.tracking.address import shown, store_uri
from segassay.tracking.faults import check_server, first_line, refusals
from segassay.tracking.store import mlflow_in_use

__all__ = ["download", "with_children"]


def with_children(run_id: str) -> list[str]:
    """A run, then the runs of evaluations that are its children, the newest first.

    Raises:
        UsageError: If there is no store, it does not let the user in, or no such run is in it.
    """
    uri = store_uri()
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not database.is_file():  # MLflow would make one
        raise UsageError(f"{database}: there is no MLflow store; set MLFLOW_TRACKING_URI, or work in its folder")
    check_server(uri)
    from mlflow.exceptions import MlflowException

    with mlflow_in_use() as mlflow, refusals(uri, f"run {run_id}"):
        client = mlflow.MlflowClient()
        try:
            experiment = client.get_run(run_id).info.experiment_id
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            why = first_line(error, uri)
            raise UsageError(f"{shown(uri)} has no run {run_id!r} ({why}); correct the id") from error
        of = f"tags.`mlflow.parentRunId` = '{run_id}' and tags.kind = 'evaluation'"
        return [run_id, *(child.info.run_id for child in client.search_runs([experiment], of))]


def download(run_id: str, name: str, folder: Path) -> bool:
    """Get a file that a run has logged; False if it has no such file.

    Args:
        run_id: Id of the run.
        name: Path of the artifact.
        folder: Folder, created if missing, in which the file gets the same path.
    """
    from mlflow.exceptions import MlflowException

    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with mlflow_in_use() as mlflow, TemporaryDirectory(dir=folder) as work:  # stores differ in where they put a file
        try:
            found = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name, dst_path=work)
        except (MlflowException, OSError):
            return False
        shutil.move(found, place)
    return True
