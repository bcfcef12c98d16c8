"""What the platform adds to JupyterLab: scripts before the start, who is there, fresh credentials, a ping."""


def _jupyter_server_extension_points():
    return [{"module": "jupyter_image.extension"}]
