"""What is kept no longer: by which rule, how it is removed, and when somebody looks."""
