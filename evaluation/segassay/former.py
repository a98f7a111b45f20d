"""Former names of modules, which saved configurations of an earlier version hold."""

MODULES = {
    "cases": "segassay.data.cases",
    "dataset": "segassay.data.dataset",
    "files": "segassay.io.images",
    "output": "segassay.io.outputs",
}
