#!/usr/bin/env python3
"""Answers from finished studies, as tables in DIR/discovery/. See docs/discovery.md.

  python python/discover.py influence DIR            which parameter moves each effect
  python python/discover.py boxes DIR                where an effect reverses
  python python/discover.py information DIR          which parameter, if known, would settle it
  python python/discover.py design morris --out F    a design for a study with method = "table"
  python python/discover.py cost-effectiveness DIR   a study made like worlds/studies/instruments.toml
  python python/discover.py packages DIR             … like worlds/studies/packages.toml
  python python/discover.py regret DIR               … like worlds/studies/policies.toml
  python python/discover.py plan-return DIR          … like worlds/studies/bytedance-plan.toml
"""

import sys

from frugality_analysis.cli import main

sys.exit(main())
