"""``python -m sagewright_edge_agent``"""

from .cli import main

raise SystemExit(main())
