"""Notebook instances: JupyterLab on its own, without a domain."""
