"""What can be asked for: the training spec, its hyperparameters and rules. Pure; without torch."""
