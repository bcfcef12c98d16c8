"""What runs inside an image: the container contract, standard library only, Python 3.8 and newer."""
