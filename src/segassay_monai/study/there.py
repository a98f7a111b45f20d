"""What of a study is whole at its address, in an object store; nothing here needs torch.

s3://bucket/study  ->  list of its files  ->  tasks whose list of checksums is there, which is sent last
"""

from __future__ import annotations

from collections.abc import Container

from segassay.io.addresses import is_address
from segassay.io.stores import Store
from segassay_monai.study.plan import Study, Task

__all__ = ["is_stored", "list_name", "store_of", "tasks_there", "whole_in"]


def is_stored(study: Study) -> bool:
    """Whether the folder of a study is kept at an address."""
    return is_address(study.file.output_dir)


def store_of(study: Study) -> Store:
    """The address of a study that is kept at one."""
    return Store(str(study.file.output_dir))


def list_name(task: Task) -> str:
    """Path of the list of checksums of a task, in the folder of the study."""
    return f"checksums/{task.folder}.json"


def whole_in(study: Study, names: Container[str]) -> list[Task]:
    """The tasks that are whole among the files of a store.

    Args:
        study: The study.
        names: Their paths.
    """
    return [task for task in study.tasks.values() if list_name(task) in names]


def tasks_there(study: Study) -> frozenset[str]:
    """Names of the folders of those tasks that are whole at the address of a study; none of a study in a folder.

    Raises:
        TransferError: If the store does not answer, or refuses.
    """
    return (
        frozenset(task.folder for task in whole_in(study, store_of(study).files())) if is_stored(study) else frozenset()
    )
