"""Studio's control plane and its way in for browsers: see README.md for a workflow that runs."""
