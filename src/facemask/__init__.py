"""Rebuilds and extends a face-mask competition solution as a reproducible pipeline.

Run in a repository's root, the package's modules are those of that repository's own src/, wherever the package itself was
found: queued experiments, clones and worktrees that share one environment each run their own code. So do the processes
that they start, which begin in the same folder.
"""

import os

_OWN = os.path.abspath("src/facemask")
if os.path.isfile(os.path.join(_OWN, "__init__.py")) and not os.path.samefile(_OWN, __path__[0]):
    __path__[:] = [_OWN]
