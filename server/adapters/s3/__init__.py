"""Files in a bucket of an S3-compatible store. Needs the extra `s3`."""
