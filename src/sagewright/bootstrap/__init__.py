"""The composition root: the only place that knows which adapter stands behind which port.

``server`` builds a whole server, ``agent`` what a job's agent needs in its own process. They are apart so that an
agent loads neither the wire nor the slices.
"""
