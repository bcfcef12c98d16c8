"""Custom images without a container engine: OCI images are stored by digest and unpacked once into a root file system.

==============  ====================================================================
``reference``   what a name such as ``ghcr.io/team/trainer:2`` means
``documents``   manifests, indexes and configurations, read from hostile JSON
``blobs``       the store on disk: blobs, repositories, tags; an ``ImageRegistry``
``uploads``     its part that receives blobs over several requests
``layers``      a layer's tar onto a root file system, never outside of it
``roots``       unpacked images, shared read-only, locked while they are used
``sources``     archives, layouts and plain folders into the store
``names``       the operator's own names, images.toml
``remote``      the client of a registry over HTTPS
``images``      what of all this an agent sees: a name → an ``Image``
==============  ====================================================================
"""
