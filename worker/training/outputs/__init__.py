"""What a run leaves: exported files, model card, evaluation, pictures."""
