"""One running job: its order, reports, lease, snapshots, files and end."""
