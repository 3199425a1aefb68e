"""The trainers' processes as a worker sees them: forked by a zygote, warm before there is work."""
