"""The XGBoost image: the built-in algorithm's training and serving."""
