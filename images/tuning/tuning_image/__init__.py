"""The sampler behind Strategy Bayesian: knows dimensions, points and objectives, nothing of jobs."""
