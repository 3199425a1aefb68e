"""The form of a new run, and a spec for reading; nothing here names a hyperparameter."""
