"""Lifecycles, the reconciler and the clock: pure decisions here, effects in the executors that slices register."""
