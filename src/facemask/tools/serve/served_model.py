"""The registered model's code: MLflow keeps this file and runs it where the model is loaded, so nothing is pickled."""

from facemask.tools.serve.mlflow_mirror import ServedEnsemble, set_model

set_model(ServedEnsemble())
