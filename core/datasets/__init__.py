"""The datasets: facts about them, without their images and without torch."""
