"""The evaluation: from masks to tables, figures, a summary and a report.

sources (folder, table or arrays)  ->  numbers  ->  Evaluation  ->  files, MLflow
"""

from segassay.assay.evaluation import Evaluation
from segassay.assay.run import evaluate

__all__ = ["Evaluation", "evaluate"]
