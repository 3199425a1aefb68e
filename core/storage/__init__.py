"""Storage for files: write-once blobs in a folder or in S3."""
