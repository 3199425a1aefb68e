"""What the terminal shows: tables, texts, and a run as it goes."""
