"""Former names of modules, which configurations saved by version 0.1 hold."""

MODULES = {
    "cases": "segassay.data.cases",
    "dataset": "segassay.data.dataset",
    "files": "segassay.io.images",
    "output": "segassay.io.outputs",
}
