"""Workers: processes that do tasks, on this machine or on the machines of a Dask cluster."""
