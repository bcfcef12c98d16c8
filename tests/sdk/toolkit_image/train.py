"""What the console script ``train`` of the toolkit does."""

from sagemaker_training.cli.train import main

main()
