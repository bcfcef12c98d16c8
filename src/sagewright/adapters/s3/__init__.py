"""Objects in any S3: AWS, MinIO, Ceph, or another Sagewright. Needs the extra ``sagewright[s3]``."""

from .store import S3Objects

__all__ = ["S3Objects"]
