"""The life of a job: submitted, claimed, recorded, moved between states, explained."""
