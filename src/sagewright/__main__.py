"""``python -m sagewright``."""

from .cli import main

raise SystemExit(main())
