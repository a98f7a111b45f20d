"""The evaluation: masks in, tables, figures, a summary and a report out.

sources (folder, table or arrays) -> numbers -> Evaluation -> files, MLflow
"""

from segassay.assay.evaluation import Evaluation
from segassay.assay.run import evaluate

__all__ = ["Evaluation", "evaluate"]
